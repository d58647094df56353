extension EngineKind {
    /// Whether the engine can move bytes of a file without blocking the thread that submits. What it cannot
    /// serve in an image that it runs, helper threads do.
    func serves(_ file: HostFile) -> Bool {
        switch self {
        case .ioURing, .threadPool: true
        case .linuxAIO: LinuxAIOEngine.refusal(caching: file.caching) == nil
        }
    }
}

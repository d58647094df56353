extension EngineKind {
    /// Whether an engine of this kind can move bytes of a file without blocking the thread that submits.
    /// What a local engine cannot serve in an image that it runs, helper threads do.
    func serves(_ file: HostFile) -> Bool { LocalEngine.of(self)?.serves(file) ?? true }
}

extension EngineKind {
    /// Whether an engine of this kind can move bytes of a file without blocking the thread that submits.
    /// What a local engine cannot serve in an image that it runs, helper threads do.
    /// A back end's engine serves it, whatever that calls itself.
    func serves(_ file: HostFile) -> Bool {
        file.backEnd != nil || LocalEngine.of(self)?.serves(file) ?? true
    }
}

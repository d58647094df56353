extension EngineKind {
    /// A pool of threads that call preadv2(2) and pwritev2(2).
    public static let threadPool = EngineKind(name: "threads")
}

extension LocalEngine {
    static let threadPool = LocalEngine(
        kind: .threadPool,
        suitability: { evidence, options in
            switch evidence.path {
            case .asynchronous:
                EngineSuitability(rank: .last, reason: "a thread a request is the last resort")
            case .inMemory:
                EngineSuitability(
                    rank: .first,
                    reason:
                        "\(evidence.reason), so the kernel copies within the call; the caller does up to "
                        + "\(options.inlineLimit) bytes itself, threads help it and do the larger "
                        + "ones")
            case .blocking:
                EngineSuitability(
                    rank: .first,
                    reason: "\(evidence.reason): only threads keep the caller from waiting")
            }
        },
        // It needs nothing that a process can be refused.
        refusal: { _, _ in nil },
        open: { (image, options) throws(BlockError) in
            .threadPool(EngineBox(try ThreadPoolEngine(image: image, options: options)).content)
        })
}

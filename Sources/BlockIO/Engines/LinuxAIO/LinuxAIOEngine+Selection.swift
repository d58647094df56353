import BlockHost
import CBlockIO
import Glibc

extension EngineKind {
    /// Linux kernel AIO, io_submit(2), through libaio; on direct images only.
    public static let linuxAIO = EngineKind(name: "libaio")
}

extension LocalEngine {
    static let linuxAIO = LocalEngine(
        kind: .linuxAIO,
        suitability: { evidence, options in
            var suitability = LinuxAIOEngine.suitability(evidence)
            if let refusal = LinuxAIOEngine.refusal(caching: options.caching) {
                suitability.exclusion = .refused(refusal.reason, errno: refusal.errno)
            }
            return suitability
        },
        refusal: { LinuxAIOEngine.refusal(probedFor: $1) },
        serves: { LinuxAIOEngine.refusal(caching: $0.caching) == nil },
        open: { (image, options) throws(BlockError) in
            .linuxAIO(EngineBox(try LinuxAIOEngine(image: image, options: options)).content)
        })
}

extension LinuxAIOEngine {
    /// On a direct image. io_submit(2) must not block the submitter.
    fileprivate static func suitability(_ evidence: EngineEvidence) -> EngineSuitability {
        let reason = evidence.reason
        switch evidence.path {
        case .asynchronous:
            return EngineSuitability(
                rank: .second, reason: "\(reason); it serves where io_uring is not to be had",
                exclusion: !evidence.hasHoles
                    ? nil
                    : .passedOver(
                        "the file has holes, and io_submit(2) blocks while the file system fills them"
                    ))
        case .inMemory:
            return EngineSuitability(
                rank: .second, reason: "\(reason): the caller of io_submit(2) copies alone")
        case .blocking:
            return EngineSuitability(
                rank: .last, reason: reason,
                exclusion: .passedOver("\(reason): io_submit(2) would block"))
        }
    }
}

extension LinuxAIOEngine {
    /// `nil` when kernel AIO can run an image without blocking the submitter.
    static func refusal(probedFor caching: OpenOptions.Caching) -> EngineRefusal? {
        if let refusal = refusal(caching: caching) { return refusal }
        let error = cbio_aio_probe()
        if error != 0 { return refusal(errno: -error) }
        return hasRoom ? nil : refusal(errno: EAGAIN)
    }

    /// Whether the system has contexts left, for one request and one wake at least.
    private static var hasRoom: Bool {
        guard let used = number(in: "/proc/sys/fs/aio-nr"),
            let most = number(in: "/proc/sys/fs/aio-max-nr")
        else { return true }
        return used + 2 <= most
    }

    private static func number(in path: String) -> UInt64? {
        ProcFile.firstLine(of: path).flatMap { UInt64($0) }
    }

    /// What is known without a probe.
    static func refusal(caching: OpenOptions.Caching) -> EngineRefusal? {
        caching == .direct
            ? nil
            : EngineRefusal(
                reason: "kernel AIO on a buffered image blocks in io_submit(2); open it direct",
                errno: 0)
    }

    static func refusal(errno: CInt) -> EngineRefusal {
        let reason: String
        switch errno {
        case EAGAIN:
            let used = ProcFile.firstLine(of: "/proc/sys/fs/aio-nr")
            reason =
                "the system's \(used ?? "?") kernel AIO contexts in use exhaust fs.aio-max-nr; an "
                + "administrator can raise that sysctl"
        case ENOSYS:
            reason =
                "the kernel has no AIO, or a seccomp profile hides it; an administrator can allow "
                + "io_setup(2) there, or boot a kernel built with CONFIG_AIO"
        case EPERM:
            reason =
                "the process may not use kernel AIO; an administrator can allow io_setup(2) in "
                + "the seccomp profile of the container or service"
        case ENOMEM: reason = "no memory for the context; an administrator can free some"
        case EMFILE, ENFILE:
            reason = "no descriptor is left; an administrator can raise RLIMIT_NOFILE"
        default: reason = "io_setup(2) failed: \(errnoText(errno))"
        }
        return EngineRefusal(reason: reason, errno: errno)
    }
}

import BlockHost
import CBlockIO
import Glibc

extension EngineKind {
    /// io_uring(7), through liburing.
    public static let ioURing = EngineKind(name: "io_uring")
}

extension LocalEngine {
    static let ioURing = LocalEngine(
        kind: .ioURing,
        suitability: { evidence, _ in
            let workers = "\(evidence.reason): io_uring would hand each request to a worker thread"
            return switch evidence.path {
            case .asynchronous:
                EngineSuitability(
                    rank: .first,
                    reason: "\(evidence.reason), so the kernel completes it asynchronously")
            case .inMemory: EngineSuitability(rank: .last, reason: workers)
            case .blocking: EngineSuitability(rank: .second, reason: workers)
            }
        },
        refusal: { descriptor, _ in URingEngine.refusal(descriptor: descriptor) },
        open: { (image, options) throws(BlockError) in
            .ioURing(EngineBox(try URingEngine(image: image, options: options)).content)
        })
}

extension URingEngine {
    /// Tries a small ring; `nil` when io_uring can run an image on this descriptor.
    static func refusal(descriptor: CInt) -> EngineRefusal? {
        var created: OpaquePointer?
        let error = unsafe cbio_uring_create(&created, [descriptor], 1, 4, false)
        guard error == 0, let created = unsafe created else { return refusal(errno: -error) }
        defer { unsafe cbio_uring_destroy(created) }
        guard unsafe cbio_uring_features(created).waits_with_limit else {
            return EngineRefusal(
                reason: "io_uring needs Linux 5.11 or later here; this kernel's cannot wait with a "
                    + "timeout (IORING_FEAT_EXT_ARG)",
                errno: EOPNOTSUPP)
        }
        var call: UnsafePointer<CChar>?
        let probed = unsafe cbio_uring_probe(created, &call)
        if probed == 0 { return nil }
        guard let call = unsafe call else { return refusal(errno: -probed) }
        return refusal(errno: -probed, of: unsafe String(cString: call))
    }

    static func refusal(errno: CInt, of call: String = "io_uring_setup(2)") -> EngineRefusal {
        let reason: String
        switch errno {
        case EPERM, EACCES:
            let setting =
                ProcFile.firstLine(of: "/proc/sys/kernel/io_uring_disabled") ?? "0"
            reason =
                setting == "0" || call != "io_uring_setup(2)"
                ? "the process may not use io_uring: \(call) failed with \(errnoText(errno)); an "
                    + "administrator can allow \(call) in the seccomp profile of the container or "
                    + "service"
                : "the sysctl kernel.io_uring_disabled is \(setting); an administrator can set it "
                    + "to 0, or to 1 with this process in the group kernel.io_uring_group"
        case ENOSYS:
            reason =
                "the kernel has no io_uring, or a seccomp profile hides it: \(call) failed with "
                + "\(errnoText(errno)); an administrator can allow \(call) there, or boot a kernel "
                + "built with CONFIG_IO_URING"
        case ENOMEM:
            reason =
                "no memory for the rings; an administrator can raise RLIMIT_MEMLOCK of this "
                + "process (kernels before 5.12 charge rings to it) or the cgroup's memory limit"
        case EMFILE, ENFILE:
            reason = "no descriptor is left; an administrator can raise RLIMIT_NOFILE"
        case EOPNOTSUPP:
            reason = "the kernel's io_uring lacks an operation (read, write or fsync); update it"
        default:
            reason = "\(call) failed: \(errnoText(errno))"
        }
        return EngineRefusal(reason: reason, errno: errno)
    }
}

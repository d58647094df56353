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
        let setup = cbio_uring_setup(
            entries: 4, single_owner: false, polls_device: false, submission_thread_idle: 0)
        let error = unsafe cbio_uring_create(&created, [descriptor], [false], 1, setup)
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

    /// Throws unless the device of each file can be polled.
    static func checkPolling(_ image: BlockImage, _ options: QueueOptions) throws(BlockError) {
        var reason: String?
        if options.hasDescriptor {
            reason =
                "a queue that polls its device has no descriptor: QueueOptions.hasDescriptor = false"
        } else if image.activeFile.caching != .direct {
            reason = "only a direct image goes to the device: OpenOptions.caching = .direct"
        } else {
            for file in image.files { reason = reason ?? pollingRefusal(of: file) }
        }
        guard let reason else { return }
        throw BlockError(
            .invalidOption, operation: .open, image: image.path,
            detail: "RingOptions.pollsDevice does not apply: \(reason)")
    }

    /// Why the device of a file cannot be polled; `nil` when it can.
    private static func pollingRefusal(of file: HostFile) -> String? {
        var status = stat()
        guard unsafe fstat(file.descriptor, &status) == 0 else { return errnoText(Glibc.errno) }
        let device = file.kind == .device ? UInt64(status.st_rdev) : UInt64(status.st_dev)
        let name = "\(cbio_major(device)):\(cbio_minor(device))"
        let place = "/sys/dev/block/\(name)"
        // That of a partition is the disk's.
        guard
            let polls = ProcFile.firstLine(of: "\(place)/queue/io_poll")
                ?? ProcFile.firstLine(of: "\(place)/../queue/io_poll")
        else { return "\(file.pathname) is not on a block device (\(name) has no queue)" }
        if polls == "1" { return nil }
        return
            "the block device \(name) has no polling queues (queue/io_poll is \(polls)); an administrator "
            + "can load its driver with some, such as nvme.poll_queues=1"
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

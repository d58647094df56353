import Glibc

/// The names of what a disk's host may answer (errno(3)).
enum ErrnoName {
    private static let numbers: [String: CInt] = [
        "EACCES": EACCES, "EAGAIN": EAGAIN, "EBADF": EBADF, "EBUSY": EBUSY, "EDQUOT": EDQUOT,
        "EFBIG": EFBIG, "EILSEQ": EILSEQ, "EINTR": EINTR, "EINVAL": EINVAL, "EIO": EIO,
        "ENODATA": ENODATA, "ENODEV": ENODEV, "ENOLINK": ENOLINK, "ENOMEM": ENOMEM,
        "ENOSPC": ENOSPC, "ENXIO": ENXIO, "EOPNOTSUPP": EOPNOTSUPP, "EPERM": EPERM,
        "EREMOTEIO": EREMOTEIO, "EROFS": EROFS, "ESTALE": ESTALE, "ETIMEDOUT": ETIMEDOUT,
    ]

    static func number(_ name: String) throws(QMPError) -> CInt {
        guard let number = numbers[name] else {
            throw .generic("'\(name)' is none of \(numbers.keys.sorted().joined(separator: ", "))")
        }
        return number
    }
}

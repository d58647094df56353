/// Values of statfs(2)'s f_type that decisions here depend on.
enum FileSystemType {
    static let tmpfs: UInt64 = 0x0102_1994
}

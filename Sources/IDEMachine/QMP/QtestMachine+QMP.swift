import BlockIO
import IDE

// The QMP commands for the machine's drives and memory.
extension QtestMachine {
    func run(_ command: String, _ arguments: inout QMPArguments) throws(QMPError) -> JSONValue {
        switch command {
        case "query-blockstats":
            try arguments.end()
            let list = drives.map { drive in
                drive.blockStatistics(
                    controller.statistics(of: drive.slot) ?? BlockStatistics(),
                    controller.dmaBytes(of: drive.slot))
            }
            return .array(list)
        case "eject":
            let drive = try drive(arguments.name("device"))
            try arguments.end()
            try eject(drive)
        case "blockdev-change-medium":
            let drive = try drive(arguments.name("device"))
            let path = try arguments.path("filename")
            try arguments.end()
            try changeMedium(of: drive, to: path)
        case "x-hold":
            let drive = try drive(arguments.name("drive"))
            let operation = try arguments.operation("operation")
            try arguments.end()
            drive.hold(operation)
        case "x-release":
            let drive = try drive(arguments.name("drive"))
            let operation = try arguments.operation("operation")
            try arguments.end()
            drive.release(operation)
        case "x-fault":
            let drive = try drive(arguments.name("drive"))
            let operation = try arguments.operation("operation")
            let errno = try ErrnoName.number(arguments.name("errno", default: "EIO"))
            let count = try arguments.count("count", default: 1)
            let after = try arguments.count("after", default: 0)
            try arguments.end()
            drive.fail(operation, errno: errno, count: count, after: after)
        case "x-dirty-pages":
            let isClearing = try arguments.bool("clear", default: false)
            try arguments.end()
            return .array(dirtyPages(clearing: isClearing).map { .integer(Int64($0)) })
        case "x-save":
            let path = try arguments.path("path")
            try arguments.end()
            try save(to: path)
        case "x-load":
            let path = try arguments.path("path")
            try arguments.end()
            try load(from: path)
        default: throw .commandNotFound(unknown: command)
        }
        return [:]
    }

    private func drive(_ name: String) throws(QMPError) -> Drive {
        guard let drive = drives.first(where: { $0.slot.description == name }) else {
            throw .deviceNotFound(name)
        }
        return drive
    }

    private func eject(_ drive: Drive) throws(QMPError) {
        do {
            try controller.eject(drive.slot)
        } catch {
            throw .generic("Cannot eject: \(error)")
        }
    }

    private func changeMedium(of drive: Drive, to path: String) throws(QMPError) {
        do {
            guard case .cdrom = drive.device else { throw IDEError.notRemovable(drive.slot) }
            try controller.changeMedium(drive.slot, to: drive.open(path))
        } catch {
            throw .generic("Cannot change the medium: \(error)")
        }
    }

    private func dirtyPages(clearing isClearing: Bool) -> [Int] {
        var pages: [Int] = []
        if isClearing {
            memory.ram.dirtyLog.take(.migration) { pages += $0 }
        } else {
            memory.ram.dirtyLog.peek(.migration) { pages += $0 }
        }
        return pages
    }

    private func save(to path: String) throws(QMPError) {
        guard drain() else { throw .generic("A request is held") }
        do {
            try StateFile.write(controller.save(), to: path)
        } catch {
            throw .generic("Cannot save: \(error)")
        }
    }

    private func load(from path: String) throws(QMPError) {
        do {
            try controller.load(StateFile.read(path))
        } catch {
            throw .generic("Cannot load: \(error)")
        }
    }
}

import BlockIO
import Glibc

/// `EngineCheck DEVICE ENGINE`: prints whether the engine serves the block device. With `auto` it
/// prints the report of engines too.
///
/// Some of the requests take longer than ``patience`` on any device, as they are large: a wait with
/// that timeout has to end without a completion, and the completion has to come later.
@main
enum EngineCheck {
    private static let patience = Duration.microseconds(200)
    private static let length = 8 << 20
    private static let leastRounds = 4
    private static let mostRounds = 200

    static func main() {
        check()
        guard fflush(nil) == 0 else {
            perror("the output could not be written")
            exit(1)
        }
    }

    private static func check() {
        let path = CommandLine.arguments[1]
        let name = CommandLine.arguments[2]
        let choice = EngineKind(rawValue: name).map(EngineChoice.forced) ?? .auto
        do throws(BlockError) {
            let image = try BlockImage.open(path, OpenOptions(access: .readWrite, engine: choice))
            for threading in [QueueThreading.owned, .shared] {
                let queue = try BlockQueue(image, QueueOptions(threading: threading))
                if let failure = try failure(of: queue) {
                    return print("RESULT \(name): fails with \(threading) queues, \(failure)")
                }
            }
            print("RESULT \(name): works")
            if choice == .auto {
                for line in "\(image.engineReport)".split(separator: "\n") {
                    print("RESULT auto, \(line)")
                }
            }
        } catch  where error.code == .engineUnavailable {
            print("RESULT \(name): refused, \(error.detail)")
        } catch {
            print("RESULT \(name): fails, \(error)")
        }
    }

    /// Writes, flushes and reads back, with waits that are shorter than a request takes; `nil` when
    /// everything was as it should be.
    private static func failure(of queue: BlockQueue) throws(BlockError) -> String? {
        let written = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 4096)
        let read = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 4096)
        defer {
            written.deallocate()
            read.deallocate()
        }
        let salt = UInt64.random(in: 0...UInt64.max) | 1
        let words = written.bindMemory(to: UInt64.self)
        for index in words.indices { words[index] = salt &* UInt64(index) }
        let steps = [
            { queue.write(from: UnsafeRawBufferPointer(written), at: 4096) },
            { queue.flush() },
            { queue.read(into: read, at: 4096) },
        ]
        var emptyWaits = 0
        var completions: [BlockCompletion] = []
        var rounds = 0
        while rounds < leastRounds || (emptyWaits == 0 && rounds < mostRounds) {
            rounds += 1
            for step in steps {
                _ = step()
                while queue.outstanding > 0 {
                    if queue.poll(minimum: 1, timeout: patience, { completions.append($0) }) == 0 {
                        emptyWaits += 1
                    }
                }
            }
        }
        for completion in completions { try completion.get(on: queue.image) }
        guard completions.count == rounds * steps.count else {
            return "\(completions.count) completions"
        }
        guard emptyWaits > 0 else { return "no wait ended at its timeout" }
        guard words.elementsEqual(read.bindMemory(to: UInt64.self)) else {
            return "what was read is not what was written"
        }
        return nil
    }
}

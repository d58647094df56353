// The programs: a short list that has each way of waiting, each kind of transfer and each fault
// once or twice, a longer one with more requests and threads, and all that can be put together.
extension Program {
    static let short: [Program] = {
        var programs: [Program] = []
        for wait in Wait.allCases {
            programs.append(Program(requests: [.read, .write], wait: wait))
            programs.append(Program(requests: [.read, .read], wait: wait, threads: 1))
            programs.append(Program(requests: [.read, .discard], wait: wait, refusals: -1))
            programs.append(Program(requests: [.read, .flush], wait: wait, refusals: 1))
            programs.append(Program(requests: [.read], wait: wait, rounds: 2))
            programs.append(Program(requests: [.read, .read], wait: wait, transfers: .prompt))
            programs.append(
                Program(requests: [.read, .read], wait: wait, transfers: .copies, processors: 1))
            programs.append(Program(requests: [.read, .discard], wait: wait, transfers: .inline))
            programs.append(
                Program(requests: [.read], wait: wait, earlyTimeouts: 1, rounds: 2))
        }
        for other in Other.allCases where other != .nothing {
            for wait in [Wait.one, .all, .descriptor] {
                programs.append(
                    Program(requests: [.read, .read], wait: wait, other: other, threads: 1))
                programs.append(
                    Program(requests: [.read, .discard], wait: wait, other: other, refusals: -1))
            }
        }
        for wait in [Wait.one, .limited, .descriptor] {
            for other in [Other.wakes, .closes] {
                programs.append(Program(requests: [], wait: wait, other: other))
            }
        }
        for wait in [Wait.one, .descriptor] {
            programs.append(Program(requests: [.discard, .read], wait: wait, cancels: true))
            programs.append(
                Program(requests: [.read, .read], wait: wait, threads: 1, signals: 1))
        }
        return programs + copies + helpers + limited
            + watched.filter { $0.requests.count == 2 && !$0.pauses }
    }()

    /// Copies that the owner makes without the lock, several at a time, and together with a thread.
    static let copies: [Program] = {
        var programs: [Program] = []
        for wait in [Wait.one, .all, .limited, .inBatch, .blocking] {
            programs.append(Program(requests: [.read], wait: wait, transfers: .copies, rounds: 2))
            programs.append(
                Program(requests: [.read, .read], wait: wait, transfers: .copies, isBatch: true))
            programs.append(
                Program(
                    requests: [.read, .read], wait: wait, transfers: .copies, isBatch: true,
                    areLarge: true))
        }
        for wait in [Wait.one, .all] {
            programs.append(
                Program(
                    requests: [.read, .read, .read], wait: wait, transfers: .copies,
                    threads: 1, isBatch: true, areLarge: true))
            for other in [Other.wakes, .closes, .cancelsLast] {
                programs.append(
                    Program(requests: [.read], wait: wait, other: other, transfers: .copies))
                programs.append(
                    Program(
                        requests: [.read, .read], wait: wait, other: other, transfers: .copies,
                        threads: 1, areLarge: true))
            }
        }
        return programs
    }()

    /// As many as it takes for an owner that waits for one answer to sleep for several at first.
    private static let five = [Request](repeating: .read, count: 5)

    /// Fewer threads than requests, some of which are told, or called, only by a watcher or by time.
    static let limited: [Program] = {
        var programs: [Program] = []
        for wait in [Wait.one, .all, .limited, .descriptor] {
            programs.append(
                Program(
                    requests: [.read, .read], wait: wait, transfers: .limited, isBatch: true))
        }
        programs.append(
            Program(requests: [.read, .read, .read], wait: .descriptor, transfers: .limited))
        programs.append(
            Program(requests: five, transfers: .limited, threads: 1, isBatch: true))
        programs.append(
            Program(
                requests: [.read, .read, .read], wait: .descriptor, transfers: .copies,
                threads: 3, processors: 1, stuck: [1, 2], isBatch: true))
        // The spare thread is called by the watcher that it has started itself.
        programs.append(
            Program(
                requests: [.read, .read], wait: .descriptor, transfers: .limited, stuck: [0]))
        return programs
    }()

    /// Discards beside a ring.
    static let helpers: [Program] = {
        var programs: [Program] = []
        for ring in Ring.allCases {
            for refusals in [0, 1, 2, -1] {
                for cancels in [false, true] {
                    programs.append(
                        Program(
                            requests: [.discard, .discard], wait: .descriptor, refusals: refusals,
                            cancels: cancels, ring: ring))
                }
            }
            programs.append(
                Program(
                    requests: [.discard], wait: .descriptor, refusals: 1, earlyTimeouts: 1,
                    rounds: 2,
                    ring: ring))
        }
        return programs
    }()

    static let medium: [Program] = {
        var programs = short + watched.filter { $0.requests.count > 2 || $0.pauses }
        programs.append(
            Program(
                requests: five, transfers: .limited, threads: 1, earlyTimeouts: 1, isBatch: true))
        programs.append(
            Program(requests: five, transfers: .limited, threads: 2, stuck: [1], isBatch: true))
        programs.append(
            Program(
                requests: [.read, .read, .read], wait: .descriptor, transfers: .limited,
                threads: 3, stuck: [1]))
        for wait in Wait.allCases {
            programs.append(Program(requests: [.read, .read], wait: wait, rounds: 2))
            programs.append(
                Program(requests: [.read, .write, .flush], wait: wait, threads: 1, refusals: 1))
        }
        for other in Other.allCases where other != .nothing {
            for wait in [Wait.one, .all, .descriptor] {
                programs.append(Program(requests: [.read, .write], wait: wait, other: other))
            }
        }
        for wait in [Wait.one, .descriptor] {
            programs.append(Program(requests: [.read, .write], wait: wait, signals: 1))
        }
        for wait in [Wait.one, .all] {
            programs.append(
                Program(requests: [.read, .read, .read], wait: wait, transfers: .limited))
            programs.append(
                Program(
                    requests: [.read, .read, .read], wait: wait, transfers: .copies,
                    isBatch: true, areLarge: true))
            programs.append(
                Program(
                    requests: [.read, .flush, .read], wait: wait, transfers: .copies,
                    isBatch: true, areLarge: true))
            programs.append(
                Program(
                    requests: [.read, .read], wait: wait, transfers: .copies, threads: 1,
                    rounds: 2, isBatch: true, areLarge: true))
        }
        return programs
    }()

    /// Those that serve are stuck in the kernel, and others are to be called.
    static let watched: [Program] = {
        var programs: [Program] = []
        for (requests, stuck) in [
            ([Request.read, .read], [0]), ([.read, .read, .read], [0, 1]),
            ([.discard, .read], [0]), ([.read, .discard, .read], [0, 1]),
        ] {
            for transfers in [Transfers.device, .copies] {
                for isBatch in [false, true] {
                    for processors in transfers == .copies ? [1, 2] : [2] {
                        programs.append(
                            Program(
                                requests: requests, wait: .descriptor, transfers: transfers,
                                threads: 3, processors: processors, stuck: stuck, isBatch: isBatch))
                    }
                }
            }
        }
        programs.append(
            Program(
                requests: [.read, .read], wait: .descriptor, transfers: .copies, processors: 1,
                earlyTimeouts: 1, stuck: [0], pauses: true, rounds: 2))
        // The second discard leaves its thread to the read.
        programs.append(
            Program(requests: [.discard, .discard, .read], wait: .descriptor, stuck: [0, 1]))
        return programs
    }()

    /// All combinations; the machine is varied for each.
    static let long: [Program] = {
        let lists: [[Request]] = [
            [.read], [.discard], [.read, .read], [.read, .write], [.read, .flush],
            [.read, .discard],
            [.discard, .read], [.discard, .discard], [.durableWrite, .flush],
            [.read, .read, .read], [.read, .flush, .discard], [.discard, .read, .write],
        ]
        var programs: [Program] = []
        for requests in lists {
            for wait in Wait.allCases where wait != .blocking || requests.count == 1 {
                for transfers in Transfers.allCases {
                    for threads in [1, 2] {
                        for refusals in [0, 1, -1] {
                            let base = Program(
                                requests: requests, wait: wait, transfers: transfers,
                                threads: threads, processors: threads, refusals: refusals)
                            // Three requests have so many schedules that a machine each must do.
                            if requests.count < 3 {
                                programs += base.variants
                            } else if refusals == 0 {
                                programs.append(base)
                            }
                        }
                    }
                }
            }
        }
        return medium + programs
    }()

    private var variants: [Program] {
        var all = [self]
        func add(_ change: (inout Program) -> Void) {
            var copy = self
            change(&copy)
            all.append(copy)
        }
        if requests.count == 1 || requests == [.read, .read] && refusals == 0 {
            add { $0.rounds = 2 }
            add { $0.earlyTimeouts = 1 }
            add {
                $0.rounds = 2
                $0.earlyTimeouts = 1
            }
        }
        if requests.count > 1 && wait != .blocking { add { $0.isBatch = true } }
        guard wait != .blocking && wait != .inBatch && wait != .close else { return all }
        add { $0.cancels = true }
        if wait != .descriptor && wait != .looks { add { $0.signals = 1 } }
        if requests.count <= 2 {
            for other in Other.allCases where other != .nothing { add { $0.other = other } }
        }
        return all
    }
}

import GuestMemory

extension ScaleCase {
    static let guestMemoryCases = [
        ScaleCase(
            name: "bounce-waiters",
            summary: "transfers that wait for the one that has all the memory"
        ) { n, _ in
            let bench = try MapperBench(bounceLimit: 4096)
            measured {
                for _ in 0..<n { bench.begin(length: 4096) }
                bench.carryOutAll()
            }
            try bench.requireEnd(of: n)
        },
        ScaleCase(
            name: "bounce-waiters-woken-together",
            summary: "transfers that wait and are all given memory at once"
        ) { n, _ in
            let pages = 1 << (Int.bitWidth - (n - 1).leadingZeroBitCount)
            let bench = try MapperBench(bounceLimit: 4096 * pages)
            measured {
                bench.begin(length: UInt64(4096 * pages))
                for _ in 0..<n { bench.begin(length: 4096) }
                bench.carryOutAll()
            }
            try bench.requireEnd(of: n + 1)
        },
        ScaleCase(
            name: "bounce-waiters-cancelled", summary: "transfers that wait, cancelled"
        ) { n, _ in
            let bench = try MapperBench(bounceLimit: 4096)
            measured {
                for _ in 0..<n { bench.begin(length: 4096) }
                bench.cancelWaiting()
                bench.carryOutAll()
            }
            try bench.requireEnd(of: n)
        },
        ScaleCase(
            name: "bounced-at-once", summary: "transfers that all have bounce buffers"
        ) { n, _ in
            let pages = 1 << (Int.bitWidth - (n - 1).leadingZeroBitCount)
            let bench = try MapperBench(bounceLimit: 4096 * pages)
            measured {
                for _ in 0..<n { bench.begin(length: 4096) }
                bench.carryOutAll()
            }
            try bench.requireEnd(of: n)
        },
        ScaleCase(
            name: "bounced-pieces", summary: "pieces of one transfer of as many elements"
        ) { n, _ in
            let bench = try MapperBench(bounceLimit: 4096)
            measured {
                bench.begin(length: 4096, elements: n)
                bench.carryOutAll()
            }
            try bench.requireEnd(of: 1)
        },
        ScaleCase(
            name: "map-regions", summary: "regions side by side, mapped one by one"
        ) { n, _ in
            let space = try AddressSpace()
            let ram = try GuestRAM(size: 4096)
            try measured {
                for index in 0..<n {
                    try space.map(.ram(ram), at: GuestAddress(UInt64(index) * 8192))
                }
            }
        },
        ScaleCase(
            name: "map-regions-stacked",
            summary: "regions one over the other, mapped one by one and unmapped"
        ) { n, _ in
            try mapRegions(n) { _ in 0 }
        },
        ScaleCase(
            name: "map-regions-over-one",
            summary: "regions over a large one, mapped one by one and unmapped"
        ) { n, _ in
            let space = try AddressSpace()
            try space.map(.ram(GuestRAM(size: n * 8192)), at: 0, priority: -1)
            try mapRegions(n, on: space) { UInt64($0) * 8192 }
        },
        ScaleCase(
            name: "unmap-held", summary: "regions unmapped while a transfer holds a map with them"
        ) { n, _ in
            let bench = try MapperBench(bounceLimit: 4096)
            let ram = try GuestRAM(size: 4096)
            let regions = try (0..<n).map {
                try bench.space.map(.ram(ram), at: GuestAddress(1 << 40 + UInt64($0) * 8192))
            }
            let ended = Counter()
            try measured {
                bench.begin(length: 4096)
                for region in regions {
                    try bench.space.unmap(region) { ended.count += 1 }
                }
                bench.carryOutAll()
            }
            try require(ended.count == n, "\(ended.count) of \(n) regions were released")
        },
        ScaleCase(
            name: "map-held", summary: "regions mapped while a transfer holds each map"
        ) { n, _ in
            let bench = try MapperBench(bounceLimit: 1 << 23)
            let ram = try GuestRAM(size: 4096)
            let ended = Counter()
            try measured {
                for index in 0..<n {
                    bench.begin(length: 512)
                    let region = try bench.space.map(
                        .ram(ram), at: GuestAddress(1 << 40 + UInt64(index) * 8192))
                    bench.begin(length: 512)
                    try bench.space.unmap(region) { ended.count += 1 }
                }
                bench.carryOutAll()
            }
            try bench.requireEnd(of: 2 * n)
            try require(ended.count == n, "\(ended.count) of \(n) regions were released")
        },
        ScaleCase(
            name: "iommu-invalidations", summary: "invalidations while a transfer is under way"
        ) { n, _ in
            let space = try AddressSpace()
            try space.map(.ram(GuestRAM(size: 1 << 20)), at: 0)
            let iommu = try PageTableIOMMU(space: space, root: 0)
            let ended = Counter()
            try measured {
                let token = iommu.holdTranslations()
                for _ in 0..<n { try iommu.invalidate { ended.count += 1 } }
                iommu.releaseTranslations(token)
            }
            try require(ended.count == n, "\(ended.count) of \(n) invalidations ended")
        },
        ScaleCase(
            name: "iommu-newest-first",
            summary: "invalidations, each during another transfer, which end newest first"
        ) { n, _ in
            let space = try AddressSpace()
            try space.map(.ram(GuestRAM(size: 1 << 20)), at: 0)
            let iommu = try PageTableIOMMU(space: space, root: 0)
            let ended = Counter()
            try measured {
                var tokens: [Int] = []
                for _ in 0..<n {
                    tokens.append(iommu.holdTranslations())
                    try iommu.invalidate { ended.count += 1 }
                }
                for token in tokens.reversed() { iommu.releaseTranslations(token) }
            }
            try require(ended.count == n, "\(ended.count) of \(n) invalidations ended")
        },
    ]

    private static func mapRegions(
        _ n: Int, on space: AddressSpace? = nil, _ base: (Int) -> UInt64
    ) throws {
        let space = try space ?? AddressSpace()
        let ram = try GuestRAM(size: 4096)
        try measured {
            var regions: [MappedRegion] = []
            for index in 0..<n {
                regions.append(try space.map(.ram(ram), at: GuestAddress(base(index))))
            }
            for region in regions.reversed() { try space.unmap(region) }
        }
    }
}

/// A count that callbacks raise, all on one thread.
private final class Counter: @unchecked Sendable {
    var count = 0
}

/// A mapper that bounces everything, and a device that answers when it is told to.
private final class MapperBench {
    let space: AddressSpace
    private let mapper: DMAMapper
    private var list = ScatterGatherList()
    private var transfers: [DMATransfer] = []
    private var submitted: [(DMATransfer, DMAPiece)] = []
    private var ended = 0

    init(bounceLimit: Int) throws {
        space = try AddressSpace(bounceLimit: bounceLimit)
        try space.map(.ram(GuestRAM(size: max(bounceLimit, 1 << 20))), at: 0)
        mapper = try DMAMapper(space, options: DMAOptions(forceBounce: true))
    }

    func begin(length: UInt64, elements: Int = 1) {
        list.removeAll()
        for index in 0..<elements {
            list.append(address: GuestAddress(UInt64(index & 63) * 8192), length: length)
        }
        let (transfer, step) = mapper.begin(list, .toDevice)
        transfers.append(transfer)
        take(transfer, step)
    }

    func cancelWaiting() {
        for transfer in transfers where transfer.isWaiting {
            if let step = transfer.cancel() { take(transfer, step) }
        }
    }

    func carryOutAll() {
        while let (transfer, piece) = submitted.popLast() {
            take(transfer, transfer.pieceEnded(transferred: piece.length, isSuccess: true))
            mapper.resume { take($0, $1) }
        }
    }

    func requireEnd(of count: Int) throws {
        try require(
            ended == count && mapper.statistics.active == 0
                && space.bouncePool.available == space.bouncePool.size,
            "\(ended) of \(count) transfers ended")
    }

    private func take(_ transfer: DMATransfer, _ step: DMAStep) {
        switch step {
        case .submit(let piece): submitted.append((transfer, piece))
        case .wait: break
        case .done: ended += 1
        }
    }
}

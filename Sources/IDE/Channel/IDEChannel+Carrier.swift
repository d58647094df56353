import BlockATA
import BlockDMA
import BlockIO

// What the drives tell their channel.
extension IDEChannel: ATACarrier {
    func commandEnded(_ end: CommandEnd, tag: Int, device: Int) {
        if let transfer = end.transfer { transferEnded(transfer) }
        router.note(.status(slot(device), status: end.status, error: end.error))
        if end.isInterrupting { raiseInterrupt() }
    }

    func windowOpened(_ isInterrupting: Bool, tag: Int, device: Int) {
        router.note(.status(slot(device), status: Status.wantsData, error: 0))
        if isInterrupting { raiseInterrupt() }
    }

    func packetTaken(_ packet: CommandPacket, tag: Int, device: Int) {
        router.note(.packet(slot(device), (0..<CommandPacket.size).map { packet[$0] }))
    }

    func commandDropped(tag: Int, device: Int) { state.pointee.busMaster.finish() }

    func requestFailed(
        _ completion: BlockCompletion, _ action: ErrorAction, tag: Int, device: Int
    ) {
        let event = DriveEvent(
            slot: slot(device), operation: completion.operation,
            failure: completion.failure ?? .system, errno: completion.errno, action: action)
        router.tell { $0.controller($1, driveEvent: event) }
    }
}

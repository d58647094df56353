import BlockHost
import Glibc

// "VFIO_USER_DEVICE_SET_IRQS". Only INTx exists; switching off what does not is no error.
extension VFIOUserSession {
    func setIRQs(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        guard let size = body.u32(0), let flags = body.u32(4), let index = body.u32(8),
            let start = body.u32(12), let count = body.u32(16), size >= 20,
            flags & ~(VFIOUser.IRQSetFlags.dataMask | VFIOUser.IRQSetFlags.actionMask) == 0,
            index < VFIOUser.IRQ.count
        else { throw Refusal(EINVAL) }
        let data = flags & VFIOUser.IRQSetFlags.dataMask
        let action = flags & VFIOUser.IRQSetFlags.actionMask
        if count == 0 {
            // vfio.h: with no data, all of the index is off.
            guard start == 0, data == VFIOUser.IRQSetFlags.dataNone,
                action == VFIOUser.IRQSetFlags.trigger
            else { throw Refusal(EINVAL) }
            if index == VFIOUser.IRQ.intx { line.disconnect() }
            return reply(header)
        }
        guard index == VFIOUser.IRQ.intx, start == 0, count == 1 else { throw Refusal(EINVAL) }
        switch data {
        case VFIOUser.IRQSetFlags.dataNone: try act(action)
        case VFIOUser.IRQSetFlags.dataBool:
            guard let isMeant = body.integer(at: 20, as: UInt8.self) else { throw Refusal(EINVAL) }
            if isMeant != 0 { try act(action) } else { try check(action) }
        case VFIOUser.IRQSetFlags.dataEventfd: try connect(action)
        default: throw Refusal(EINVAL)
        }
        reply(header)
    }

    private func check(_ action: UInt32) throws(Refusal) {
        switch action {
        case VFIOUser.IRQSetFlags.trigger, VFIOUser.IRQSetFlags.mask,
            VFIOUser.IRQSetFlags.unmask:
            break
        default: throw Refusal(EINVAL)
        }
    }

    private func act(_ action: UInt32) throws(Refusal) {
        try check(action)
        guard reader.descriptorCount == 0 else { throw Refusal(EINVAL) }
        switch action {
        case VFIOUser.IRQSetFlags.trigger: line.signal()
        case VFIOUser.IRQSetFlags.mask: line.mask()
        default: line.unmask()
        }
    }

    /// No descriptor takes back the one there was.
    private func connect(_ action: UInt32) throws(Refusal) {
        guard reader.descriptorCount <= 1 else { throw Refusal(EINVAL) }
        switch action {
        case VFIOUser.IRQSetFlags.trigger: line.connect(try takeEvent())
        case VFIOUser.IRQSetFlags.unmask: line.connectUnmask(try takeEvent())
        default: throw Refusal(EINVAL)
        }
    }

    /// The message's descriptor, an eventfd that will not make anybody wait; -1 when there is none.
    private func takeEvent() throws(Refusal) -> CInt {
        guard let event = reader.takeDescriptor(0) else { return -1 }
        guard SharedEvent.prepare(event) == 0 else {
            close(event)
            throw Refusal(EINVAL)
        }
        return event
    }
}

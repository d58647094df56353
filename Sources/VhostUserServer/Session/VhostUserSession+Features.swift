import BlockHost
import Glibc
import VirtioBlock

extension VhostUserSession {
    /// The features of the device and of the transport.
    var offeredFeatures: UInt64 {
        device.offeredFeatures.rawValue | VhostUser.Feature.protocolFeatures
            | VhostUser.Feature.logAll
    }

    func setFeatures(_ body: MessageBody) throws(Refusal) -> Answer {
        guard body.count == 8, let bits = body.u64(0) else { throw Refusal(EINVAL) }
        guard bits & ~offeredFeatures == 0, bits & VirtioFeatures.version1.rawValue != 0 else {
            throw Refusal(EINVAL)
        }
        // The log can be switched while rings run.
        if bits & ~VhostUser.Feature.logAll == features & ~VhostUser.Feature.logAll {
            features = bits
            setLogging(bits & VhostUser.Feature.logAll != 0)
            return .acknowledgement
        }
        guard !rings.contains(where: \.isStarted) else { throw Refusal(EBUSY) }
        let accepted = VirtioFeatures(rawValue: bits & device.offeredFeatures.rawValue)
        guard device.acceptFeatures(accepted) else { throw Refusal(EINVAL) }
        features = bits
        setLogging(bits & VhostUser.Feature.logAll != 0)
        return .acknowledgement
    }

    func setProtocolFeatures(_ body: MessageBody) throws(Refusal) -> Answer {
        guard body.count == 8, let bits = body.u64(0),
            bits & ~VhostUser.ProtocolFeature.offered == 0
        else { throw Refusal(EINVAL) }
        protocolFeatures = bits
        return .acknowledgement
    }

    // MARK: The configuration space ("Virtio device config space")

    /// A message that cannot be answered is answered without a configuration.
    func getConfiguration(_ header: VhostUserHeader, _ body: MessageBody) -> Answer {
        var writer = ReplyWriter(header.request, flags: VhostUser.HeaderFlags.reply)
        if let offset = body.u32(0), let size = body.u32(4), let flags = body.u32(8),
            size <= VhostUser.Limit.configuration, offset <= VhostUser.Limit.configuration
        {
            var bytes = [UInt8](repeating: 0, count: Int(size))
            unsafe bytes.withUnsafeMutableBytes {
                unsafe device.readConfiguration(at: Int(offset), into: $0)
            }
            writer.put(offset)
            writer.put(size)
            writer.put(flags)
            writer.put(bytes)
        }
        send(writer)
        return .sent
    }

    func setConfiguration(_ body: MessageBody) throws(Refusal) -> Answer {
        guard let offset = body.u32(0), let size = body.u32(4), body.u32(8) != nil,
            size <= VhostUser.Limit.configuration, body.count == 12 + Int(size)
        else { throw Refusal(EINVAL) }
        let value: UInt64? =
            switch size {
            case 1: body.integer(at: 12, as: UInt8.self).map { UInt64($0) }
            case 2: body.u16(12).map { UInt64($0) }
            case 4: body.u32(12).map { UInt64($0) }
            case 8: body.u64(12)
            default: nil
            }
        guard let value,
            device.writeConfiguration(at: Int(offset), width: Int(size), value: value)
        else { throw Refusal(EINVAL) }
        return .acknowledgement
    }

    /// Tells the front end that the configuration space has changed, if it wants to know
    /// ("VHOST_USER_BACKEND_CONFIG_CHANGE_MSG").
    func sendConfigurationChange() {
        guard backEndSocket >= 0,
            protocolFeatures & VhostUser.ProtocolFeature.configuration != 0
        else { return }
        // If the front end does not take it, it has as many of them that it has not looked at.
        _ = ReplyWriter(VhostUser.BackEndRequest.configurationChanged, flags: 0)
            .send(backEndSocket)
    }

    func setBackEndSocket() throws(Refusal) -> Answer {
        guard let descriptor = reader.takeDescriptor(0) else { throw Refusal(EBADF) }
        if backEndSocket >= 0 { close(backEndSocket) }
        backEndSocket = descriptor
        return .acknowledgement
    }
}

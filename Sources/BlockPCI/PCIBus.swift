public import GuestMemory

/// A bus, as its functions need it: the way of their DMA to memory.
public struct PCIBus: Sendable {
    /// The memory behind the resolvers.
    public let memory: AddressSpace
    /// Steps between the bus and memory, such as an IOMMU, the bus's side first. They apply to
    /// every function on the bus, behind the steps of the function's own.
    public let resolvers: [any AddressResolver]

    /// A bus whose functions reach `memory` through `resolvers`.
    public init(_ memory: AddressSpace, resolvers: [any AddressResolver] = []) {
        self.memory = memory
        self.resolvers = resolvers
    }
}

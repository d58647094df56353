/// What the submitter names a submission by, as a request is named to a kernel by its address.
///
/// Safe, because a ``ModelKernel`` only compares it and gives it back.
@safe package struct ModelTag: Equatable {
    package let address: UnsafeMutableRawPointer?

    package init(_ address: UnsafeMutableRawPointer?) { unsafe self.address = address }

    package static func == (left: Self, right: Self) -> Bool {
        unsafe left.address == right.address
    }
}

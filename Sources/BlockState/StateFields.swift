/// A value that is part of a saved state. It names its fields once: ``StateWriter`` writes them,
/// ``StateReader`` reads them, and ``StateDescriber`` describes them.
package protocol StateFields {
    /// Hands each field to `codec`, in the order of the format, with the values that it can have; then what
    /// must hold between fields.
    ///
    /// Reading gives `self` the values of the state. They are as hostile as the state is until their checks
    /// have passed, so nothing here may trap for any value of the fields. Writing leaves `self` as it is.
    mutating func fields(_ codec: inout some StateCodec) throws(StateError)
}

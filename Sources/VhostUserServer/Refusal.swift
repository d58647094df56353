/// Why a message of the front end is refused: an errno. The protocol has no errors: the front end gets a
/// number that is not zero where it asked for an acknowledgement, and is disconnected otherwise.
struct Refusal: Error, Equatable {
    let errno: CInt

    init(_ errno: CInt) { self.errno = errno }
}

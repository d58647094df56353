import Glibc

/// Why an engine cannot be used: one sentence, with what an administrator can do.
struct EngineRefusal {
    let reason: String
    let errno: CInt
}

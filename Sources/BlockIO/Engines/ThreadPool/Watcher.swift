/// The thread that looks whether the few that serve quick requests get on.
///
/// | state | event | next state |
/// |---|---|---|
/// | absent | requests are left to fewer threads than there are requests | watching |
/// | watching | the queue was empty for several looks | asleep |
/// | asleep | requests are left as above | watching |
/// | asleep | nothing for long, or the pool stops | absent |
enum Watcher {
    case absent, asleep, watching
}

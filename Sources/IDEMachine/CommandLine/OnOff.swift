import ArgumentParser

/// "on" or "off".
enum OnOff: String, CaseIterable, ExpressibleByArgument {
    case on
    case off
}

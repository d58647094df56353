internal import ArgumentParser

/// "on" or "off".
package enum OnOff: String, CaseIterable, ExpressibleByArgument {
    case on
    case off
}

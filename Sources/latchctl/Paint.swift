import Foundation

/// How something is.
enum Tone: String {
    case good = "32"
    case doubtful = "33"
    case bad = "31"
}

/// Colours words where a person reads them on a terminal, and leaves them as they are elsewhere.
struct Paint: Sendable {
    let isOn: Bool

    static let none = Paint(isOn: false)
    static let output = Paint(descriptor: 1)
    static let complaints = Paint(descriptor: 2)

    init(isOn: Bool) {
        self.isOn = isOn
    }

    private init(descriptor: Int32) {
        isOn = Self.isWanted(
            isTerminal: isatty(descriptor) == 1, environment: ProcessInfo.processInfo.environment)
    }

    /// On a terminal that has colours, unless `NO_COLOR` holds anything (no-color.org).
    static func isWanted(isTerminal: Bool, environment: [String: String]) -> Bool {
        isTerminal && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }

    func callAsFunction(_ text: String, _ tone: Tone?) -> String {
        guard isOn, let tone, !text.isEmpty else { return text }
        return "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m"
    }
}

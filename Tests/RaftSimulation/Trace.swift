import RaftCore

/// What happened in one run: always as a hash, and as lines only where somebody wants to read them.
package struct Trace: Sendable {
    package enum Mode: Sendable {
        /// Only the hash: costs almost nothing.
        case hashOnly
        /// The last lines, for the report of a failure.
        case recent(Int)
        /// Every line is printed at once, so that even a trap leaves the story behind.
        case printed
    }

    let mode: Mode
    /// FNV-1a over everything noted: equal for two runs of one seed, whatever the process or build.
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    package private(set) var lines: [String] = []
    /// Names the line's column of virtual time.
    var now: UInt64 = 0

    init(mode: Mode) { self.mode = mode }

    /// Folds numbers into the hash.
    mutating func fold(_ numbers: UInt64...) {
        for number in numbers {
            hash = (hash ^ number) &* 0x100_0000_01B3
            hash ^= hash >> 29
        }
    }

    /// Adds a line, unless only the hash is wanted.
    mutating func note(_ text: @autoclosure () -> String) {
        switch mode {
        case .hashOnly:
            return
        case .recent(let count):
            lines.append(line(text()))
            if lines.count > 2 * count { lines.removeFirst(lines.count - count) }
        case .printed:
            print(line(text()))
        }
    }

    private func line(_ text: String) -> String {
        let digits = String(now)
        return "[" + String(repeating: " ", count: max(0, 6 - digits.count)) + digits + "] " + text
    }
}

/// Why a node does not start: its data has tokens of a higher incarnation than it is configured
/// with, so some member's configuration is not the newest one.
package struct IncarnationTooLow: Error, Sendable, CustomStringConvertible {
    package let configured: UInt16
    package let stored: UInt16

    init(_ configured: UInt16, stored: UInt16) {
        self.configured = configured
        self.stored = stored
    }

    package var description: String {
        "the configuration says incarnation \(configured), the data is of incarnation \(stored). "
            + "Fencing tokens would go back. Write incarnation: \(stored) on every member, or a "
            + "higher number if a backup was restored."
    }
}

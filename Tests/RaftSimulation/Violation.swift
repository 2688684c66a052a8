/// What the observer saw go wrong. The invariant's number is the one of the project's fault model.
package struct Violation: Error, Equatable, Sendable, CustomStringConvertible {
    /// Such as "I1 election safety".
    package let invariant: String
    package let detail: String

    package init(_ invariant: String, _ detail: String) {
        self.invariant = invariant
        self.detail = detail
    }

    package var description: String { "\(invariant): \(detail)" }
}

/// Throws a ``Violation`` unless `condition` holds.
func require(
    _ condition: Bool, _ invariant: String, _ detail: @autoclosure () -> String
) throws(Violation) {
    if !condition { throw Violation(invariant, detail()) }
}

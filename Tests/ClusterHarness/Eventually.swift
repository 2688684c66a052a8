/// What a test waited for did not come in time.
package struct NeverHappened: Error, CustomStringConvertible {
    package let what: String
    package let seconds: Double
    /// The last error of the condition, if it threw.
    package let lastError: (any Error)?

    package var description: String {
        "\(what) did not happen within \(seconds) s"
            + (lastError.map { "; last error: \($0)" } ?? "")
    }
}

/// Polls until `condition` gives a value, every few milliseconds, or throws ``NeverHappened`` at
/// the deadline. An error of the condition counts as "not yet".
package func eventually<Value: Sendable>(
    _ what: String, within seconds: Double = 15, isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + .seconds(seconds)
    var lastError: (any Error)?
    repeat {
        do {
            if let value = try await condition() { return value }
            lastError = nil
        } catch {
            lastError = error
        }
        try await Task.sleep(for: .milliseconds(10))
    } while ContinuousClock.now < deadline
    throw NeverHappened(what: what, seconds: seconds, lastError: lastError)
}

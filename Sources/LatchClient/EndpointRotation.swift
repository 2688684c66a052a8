/// Which node to try first, and which next. The node that answered last is first; nodes that
/// failed come after those that did not, the longest-ago failure first. Pure: the caller
/// says what happened.
package struct EndpointRotation: Sendable {
    /// In the order in which they were given; never empty in use.
    package let endpoints: [Endpoint]
    private var preferred = 0
    /// Counts failures, so that they can be ordered; 0: did not fail since it last answered.
    private var failedAt: [Endpoint: UInt64] = [:]
    private var failures: UInt64 = 0

    package init(_ endpoints: [Endpoint]) {
        var seen: Set<Endpoint> = []
        self.endpoints = endpoints.filter { seen.insert($0).inserted }
    }

    /// Starts with the endpoint at `offset`, so that many clients of one list spread
    /// over its nodes.
    package init(_ endpoints: [Endpoint], startingAt offset: Int) {
        self.init(endpoints)
        if !self.endpoints.isEmpty { preferred = abs(offset % self.endpoints.count) }
    }

    /// Every endpoint once, best first. `wanted` comes first even if it is not in the list (a
    /// redirect) or failed.
    package func order(wanted: Endpoint? = nil) -> [Endpoint] {
        let ring = endpoints[preferred...] + endpoints[..<preferred]
        // Equal keys keep the ring's order: `sorted` is stable.
        let byHealth = ring.sorted { (failedAt[$0] ?? 0) < (failedAt[$1] ?? 0) }
        guard let wanted else { return byHealth }
        return [wanted] + byHealth.filter { $0 != wanted }
    }

    /// `endpoint` answered: it is tried first from now on.
    package mutating func succeeded(_ endpoint: Endpoint) {
        failedAt[endpoint] = nil
        if let place = endpoints.firstIndex(of: endpoint) { preferred = place }
    }

    /// `endpoint` did not answer, or could not do what was asked.
    package mutating func failed(_ endpoint: Endpoint) {
        failures += 1
        failedAt[endpoint] = failures
    }
}

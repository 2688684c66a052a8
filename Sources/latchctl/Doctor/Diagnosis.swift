/// What the measurements mean for a TTL. Pure.
struct Diagnosis: Hashable {
    enum Level: String, Hashable {
        case good = "ok"
        case warning
        case bad
    }

    struct Finding: Hashable {
        let level: Level
        let text: String
    }

    let findings: [Finding]
    /// How long after the last acknowledged renewal of a holder that died another one holds the
    /// latch, at most, with the leader alive.
    let takeoverBound: Duration
    /// The same if the leader dies, too.
    let takeoverBoundWithElection: Duration

    /// The node's defaults: see its configuration.
    static let electionTimeout: Duration = .milliseconds(600)
    static let grace: Duration = .seconds(2)
    static let tick: Duration = .milliseconds(100)

    var worst: Level {
        findings.contains { $0.level == .bad }
            ? .bad : findings.contains { $0.level == .warning } ? .warning : .good
    }

    /// - Parameters:
    ///   - ttl: the TTL to judge.
    ///   - renewal: how long renewals take: a write through the leader, on a majority's disks.
    ///   - disk: how long the disk of this machine takes; nil: not measured.
    init(ttl: Duration, renewal: Spread?, disk: Spread?) {
        takeoverBound = ttl + Self.tick
        takeoverBoundWithElection = ttl + Self.tick + Self.electionTimeout * 2 + Self.grace
        var findings: [Finding] = []
        let period = ttl / 3
        if let renewal {
            let longest = Duration.microseconds(renewal.maxUs)
            // Before the deadline there is time for the renewal of a third of the TTL and for one
            // more, each of which may take so long.
            if longest > period {
                findings.append(
                    Finding(
                        level: .bad,
                        text: """
                            the longest write took \(readable(longest)), more than a third of the TTL \
                            (\(readable(period))): holders will lose latches without a fault. Take a TTL of at least \
                            \(readable(longest * 9)).
                            """))
            } else if longest > period / 3 {
                findings.append(
                    Finding(
                        level: .warning,
                        text: """
                            the longest write took \(readable(longest)), more than a ninth of the TTL: one lost packet \
                            more and a renewal is late. A TTL of \(readable(longest * 9)) would be calm.
                            """))
            } else {
                findings.append(
                    Finding(
                        level: .good,
                        text: """
                            a renewal is due every \(readable(period)) and the longest write took \
                            \(readable(longest)): \(Int(period / longest)) times as fast as it must be.
                            """))
            }
        }
        if ttl < Self.electionTimeout * 2 + Self.grace {
            findings.append(
                Finding(
                    level: .warning,
                    text: """
                        an election may take \(readable(Self.electionTimeout * 2)), in which no renewal is \
                        acknowledged: with a TTL of \(readable(ttl)) holders go into jeopardy at each and may stop \
                        themselves, although the cluster would wait for them.
                        """))
        }
        if let disk {
            let p99 = Duration.microseconds(disk.p99Us)
            let limit = Self.electionTimeout / 10
            findings.append(
                p99 > limit
                    ? Finding(
                        level: .bad,
                        text: """
                            fsync takes \(Spread.text(disk.p99Us)) at p99, more than a tenth of the election timeout: \
                            the disk is too slow or too busy for a node.
                            """)
                    : Finding(
                        level: .good,
                        text: "fsync takes \(Spread.text(disk.p99Us)) at p99, which is fast enough."
                    ))
        }
        self.findings = findings
    }
}

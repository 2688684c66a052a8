import LatchClient

/// When a command that has lost its latch must end, counted from sending the last renewal that was
/// acknowledged.
///
///     0 ── renewal ── jeopardy ──── SIGTERM ── kill grace ── SIGKILL ── margin ── deadline ─ TTL
///
/// The cluster lets nobody else hold the latch before the TTL is over. The deadline comes a little
/// earlier, for clocks that run at different rates, and SIGKILL earlier by the margin, in which
/// the kernel ends what was killed.
struct RunBudget: Hashable, Sendable {
    let ttl: Duration
    /// Between SIGTERM and SIGKILL.
    let killGrace: Duration
    /// Between SIGKILL and the deadline: for a watchdog that waits for a processor, and for the
    /// kernel's own work. A tenth of the TTL, 20 ms to 500 ms.
    let margin: Duration
    private let schedule: KeepAliveSchedule

    /// The shortest TTL with which a machine that is busy still has time for all this.
    static let shortestTTL: Duration = .milliseconds(200)

    /// A budget with a kill grace of a quarter of the TTL, at most 10 s, unless given.
    init(ttl: Duration, killGrace: Duration? = nil) {
        self.ttl = ttl
        self.killGrace = killGrace ?? min(ttl / 4, .seconds(10))
        margin = min(max(ttl / 10, .milliseconds(20)), .milliseconds(500))
        // With a shorter --timeout the second try comes sooner than said here, never later.
        schedule = KeepAliveSchedule(ttl: ttl, longestAttempt: LatchSettings().attemptTimeout)
    }

    /// How long the session is certainly alive after a renewal was sent: node and client each take
    /// off a margin for the rates of clocks.
    var life: Duration { Lease.certainLife(of: Lease.certainLife(of: ttl)) }
    /// How long without a renewal until SIGKILL.
    var untilKill: Duration { life - margin }
    /// How long without a renewal until SIGTERM.
    var untilTerm: Duration { untilKill - killGrace }
    /// How long without a renewal until the latch is in danger: one renewal was due and did not
    /// succeed.
    var untilJeopardy: Duration { ttl / 2 }
    /// Between two renewals: a third of the TTL.
    var period: Duration { schedule.period }
    /// When a renewal to which no node answered is sent to another node: a fifth of the life after
    /// it was due, at most 2 s after.
    var untilSecondTry: Duration { schedule.period + schedule.attemptTimeout }

    /// SIGTERM may not come sooner: the second try gets a tenth of the TTL for its answer, and
    /// jeopardy is told before.
    private var earliestTerm: Duration { max(untilSecondTry + ttl / 10, untilJeopardy) }

    /// The longest kill grace that lets one lost renewal cost nothing; negative: none does.
    var longestKillGrace: Duration { untilKill - earliestTerm }

    /// The shortest TTL, in whole milliseconds, with which `killGrace` is not too long; nil: it is
    /// with every TTL.
    static func shortestTTL(for killGrace: Duration) -> Duration? {
        func fits(_ count: Int64) -> Bool {
            RunBudget(ttl: .milliseconds(count)).longestKillGrace >= killGrace
        }
        // It fits from some TTL on.
        var (below, above) = (milliseconds(shortestTTL), milliseconds(KeepAliveSchedule.longest))
        guard fits(above) else { return nil }
        while below < above {
            let middle = (below + above) / 2
            if fits(middle) { above = middle } else { below = middle + 1 }
        }
        return .milliseconds(above)
    }

    /// What is wrong with it, and what would be right; nil: nothing.
    var objection: String? {
        if ttl < Self.shortestTTL {
            return "--ttl must be at least \(TimeSpan(Self.shortestTTL)) here, not \(TimeSpan(ttl))"
        }
        guard killGrace > longestKillGrace else { return nil }
        let longer = Self.shortestTTL(for: killGrace)
            .map {
                ", or --ttl must be at least \(TimeSpan($0)) for a grace of \(TimeSpan(killGrace))"
            }
        return """
            --kill-grace may be at most \(TimeSpan(longestKillGrace)) with a TTL of \(TimeSpan(ttl))\(longer ?? ""): \
            the command is ended that long before the deadline, and before that there must be time for a second renewal
            """
    }

    /// What a watchdog needs to know of it.
    var timing: GuardTiming {
        GuardTiming(killGrace: killGrace, margin: margin, jeopardyLead: life - untilJeopardy)
    }

    /// In words, on one line.
    var explanation: String {
        """
        TTL \(readable(ttl)), renewed every \(readable(period)), by another node after \(readable(untilSecondTry)) \
        if there is no answer. Without a renewal: jeopardy after \(readable(untilJeopardy)), SIGTERM after \
        \(readable(untilTerm)), SIGKILL after \(readable(untilKill)), deadline after \(readable(life)); the cluster \
        lets another hold the latch after \(readable(ttl)) at the earliest.
        """
    }
}

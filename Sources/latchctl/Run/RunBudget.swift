/// When a command that has lost its latch must end, counted from sending the last renewal that was
/// acknowledged.
///
///     0 ──────── jeopardy ──────── SIGTERM ── kill grace ── SIGKILL ── margin ── deadline ─ TTL
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

    /// The shortest TTL with which a machine that is busy still has time for all this.
    static let shortestTTL: Duration = .milliseconds(200)

    /// A budget with a kill grace of a quarter of the TTL, at most 10 s, unless given.
    init(ttl: Duration, killGrace: Duration? = nil) {
        self.ttl = ttl
        self.killGrace = killGrace ?? min(ttl / 4, .seconds(10))
        margin = min(max(ttl / 10, .milliseconds(20)), .milliseconds(500))
    }

    /// How long the session is certainly alive after a renewal was sent.
    /// The client says the same, a little early for clocks that run at different rates.
    var life: Duration { ttl - max(ttl / 1_000, .milliseconds(1)) }
    /// How long without a renewal until SIGKILL.
    var untilKill: Duration { life - margin }
    /// How long without a renewal until SIGTERM.
    var untilTerm: Duration { untilKill - killGrace }
    /// How long without a renewal until the latch is in danger: one renewal was due and did not
    /// succeed.
    var untilJeopardy: Duration { ttl / 2 }
    /// Between two renewals.
    var period: Duration { ttl / 3 }

    /// The longest kill grace that leaves the renewals, which are due at a third of the TTL, time
    /// for a second try.
    var longestKillGrace: Duration { untilKill - ttl / 2 }

    /// What is wrong with it; nil: nothing.
    var objection: String? {
        if ttl < Self.shortestTTL {
            return "--ttl must be at least \(TimeSpan(Self.shortestTTL)) here, not \(TimeSpan(ttl))"
        }
        guard killGrace >= .zero, killGrace <= longestKillGrace else {
            return """
                --kill-grace may be at most \(TimeSpan(longestKillGrace)) with a TTL of \(TimeSpan(ttl)): \
                the command is ended that long before the deadline, and renewals need the first half of the TTL
                """
        }
        return nil
    }

    /// What a watchdog needs to know of it.
    var timing: GuardTiming {
        GuardTiming(killGrace: killGrace, margin: margin, jeopardyLead: life - untilJeopardy)
    }

    /// In words, on one line.
    var explanation: String {
        """
        TTL \(readable(ttl)), renewed every \(readable(period)). Without a renewal the command gets SIGTERM after \
        \(readable(untilTerm)) and SIGKILL after \(readable(untilKill)); the cluster lets another hold the latch \
        after \(readable(ttl)) at the earliest.
        """
    }
}

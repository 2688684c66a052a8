// Evidence: the link to a server closed and a reconnect was refused, so its process is gone.
// Evidence decides only *when* a server asks for pre-votes and whether stickiness binds a voter.
// Whether a vote is granted, counted or enough never depends on it: see Docs/Raft.md.

extension Raft {
    /// After this many quick campaigns the ordinary election timeouts take over.
    private static let hastenedCampaignLimit = 6

    /// Whether the leader that was followed is, by evidence that still stands, gone.
    var isSuspectGone: Bool {
        guard let suspect = election.suspect else { return false }
        return election.unreachable.contains(suspect)
    }

    mutating func handleUnreachable(_ server: ServerID, into effects: inout Effects) {
        guard server != id, configuration.voters.contains(server) else { return }
        if !election.unreachable.contains(server) {
            let place = election.unreachable.firstIndex { server < $0 }
            election.unreachable.insert(server, at: place ?? election.unreachable.count)
        }
        switch role {
        case .leader:
            loseLink(to: server, into: &effects)
        case .follower:
            if leader == server { hastenCampaign(into: &effects, against: server) }
        case .preCandidate, .candidate:
            break
        }
    }

    mutating func handleReachable(_ server: ServerID, into effects: inout Effects) {
        clearEvidence(about: server, into: &effects)
        if role == .leader { resumeLink(to: server, into: &effects) }
    }

    /// Any sign of life of `server` clears the evidence about it.
    mutating func clearEvidence(about server: ServerID, into effects: inout Effects) {
        guard let place = election.unreachable.firstIndex(of: server) else { return }
        election.unreachable.remove(at: place)
        effects.decisions.append(.clearedEvidence(about: server))
        if election.suspect == server {
            election.suspect = nil
            election.hastenedDeadline = nil
        }
    }

    /// Ranks differ, so that one server asks first; the random part separates equal views of rank.
    private mutating func hastenCampaign(into effects: inout Effects, against server: ServerID) {
        guard election.suspect != server else { return }
        election.suspect = server
        election.hastenedCampaigns = 0
        let unit = settings.unreachableLeaderDelayMilliseconds
        let rivals = configuration.voters.filter { $0 != server }
        let rank = UInt64(rivals.firstIndex(of: id) ?? 0)
        let delay = unit &* rank &+ generator.draw(upTo: unit / 2)
        election.hastenedDeadline = now.advanced(byMilliseconds: delay)
        effects.decisions.append(.hastenedCampaign(leader: server, delayMilliseconds: delay))
    }

    /// Another server asks first: let it finish before asking as well.
    mutating func postponeHastenedCampaign() {
        guard let planned = election.hastenedDeadline else { return }
        let unit = settings.unreachableLeaderDelayMilliseconds
        let pause = unit &* 3 &+ generator.draw(upTo: unit)
        election.hastenedDeadline = max(planned, now.advanced(byMilliseconds: pause))
    }

    /// When a campaign that has not won is repeated.
    ///
    /// While evidence stands, soon: a voter may get the same evidence a few milliseconds later than
    /// we did. The pause doubles each time, is longer for a real election (it waits for disks),
    /// never exceeds an election timeout, and is short only a bounded number of times.
    mutating func campaignTimeout() -> Instant {
        let ordinary = electionTimeout()
        guard isSuspectGone, election.hastenedCampaigns < Raft.hastenedCampaignLimit else {
            return ordinary
        }
        let doublings = election.hastenedCampaigns / 2
        election.hastenedCampaigns += 1
        let unit = max(1, settings.unreachableLeaderDelayMilliseconds)
        let base = (role == .candidate ? unit &* 4 : unit) << UInt64(doublings)
        let pause = base &+ generator.draw(upTo: base)
        return min(ordinary, now.advanced(byMilliseconds: pause))
    }
}

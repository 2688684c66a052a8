extension Raft {
    /// Figure 2, "If command received from client: append entry to local log".
    mutating func propose(_ proposals: [Proposal], into effects: inout Effects) {
        guard !proposals.isEmpty else { return }
        if let refusal = refusalOfProposals(into: &effects) {
            return refuse(proposals[...], because: refusal, into: &effects)
        }
        var entries: [Entry] = []
        entries.reserveCapacity(proposals.count)
        var index = log.lastIndex
        var unwrittenBytes = persistence.unwrittenBytes
        for (position, proposal) in proposals.enumerated() {
            let bytes = proposal.payload.count
            if bytes > Entry.maximumPayloadBytes {
                let refusal = Refusal.payloadTooLong(bytes: bytes, limit: Entry.maximumPayloadBytes)
                refuse(proposals[position...position], because: refusal, into: &effects)
                continue
            }
            // D20: followers may commit what this server's own disk does not take.
            let waitingBytes = max(leadership.uncommittedBytes, unwrittenBytes)
            // Where nothing waits one is taken, whatever its size: else it could never come in.
            if waitingBytes > 0, waitingBytes + bytes > settings.maximumUncommittedBytes {
                refuse(proposals[position...], because: .overloaded, into: &effects)
                break
            }
            leadership.uncommittedBytes += bytes
            unwrittenBytes += bytes
            index = index.next()
            entries.append(Entry(index: index, term: currentTerm, payload: proposal.payload))
            effects.proposals.append(
                ProposalFate(id: proposal.id, result: .appended(index, currentTerm)))
        }
        guard let first = entries.first else { return }
        appendToLog(entries, into: &effects)
        effects.decisions.append(.appended(first: first.index, last: index, term: currentTerm))
        broadcastEntries(into: &effects)
    }

    private mutating func refusalOfProposals(into effects: inout Effects) -> Refusal? {
        guard role == .leader, confirmQuorum(into: &effects) else {
            return .notLeader(leader: leader)
        }
        // Thesis §3.10: "the prior leader stops accepting new client requests".
        return leadership.transfer.map { .transferringLeadership(to: $0.target) }
    }

    private func refuse(
        _ proposals: ArraySlice<Proposal>, because refusal: Refusal, into effects: inout Effects
    ) {
        effects.decisions.append(.refusedProposals(count: proposals.count, reason: refusal))
        for proposal in proposals {
            effects.proposals.append(ProposalFate(id: proposal.id, result: .refused(refusal)))
        }
    }
}

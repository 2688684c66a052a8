/// A command to one latch, with participants, sessions and values by their numbers.
enum Move: Hashable, Sendable {
    case join(LatchModel.Member)
    case leave(LatchModel.Member)
    /// Session nil: an operator.
    case handOver(session: Int?, token: UInt64, to: Int)
    case publish(session: Int, token: UInt64, value: Int)
    /// The session and the token guard it; nil: any.
    case evict(participant: Int, session: Int?, token: UInt64?)

    /// The session whose command it is.
    var session: Int? {
        switch self {
        case .join(let member), .leave(let member): member.session
        case .handOver(let session, _, _): session
        case .publish(let session, _, _): session
        case .evict: nil
        }
    }

    /// Who it brings in.
    var joining: LatchModel.Member? {
        if case .join(let member) = self { return member }
        return nil
    }
}

/// What a call that looks at the latch was told.
enum Reply: Hashable, Sendable {
    case view(PartitionView)
    case done
    case denied(Denial)
}

/// What commands do to the latch, step by step.
extension LatchModel {
    /// Does what the command asks; false if the latch denies it. A guard that names a token nobody
    /// has seen yet tells what it is.
    mutating func perform(_ move: Move) -> Bool {
        switch move {
        case .join(let member):
            guard !members.contains(member) else { return true }
            members.append(member)
            if members.count == 1 { grant() }
        case .leave(let member):
            if let position = members.firstIndex(of: member) { remove(at: position) }
        case .handOver(let session, let token, let target):
            guard let holder = members.first, session == nil || session == holder.session,
                let position = waiting(target), hasToken(token)
            else { return false }
            members.insert(members.remove(at: position), at: 0)
            members.append(members.remove(at: 1))
            grant()
        case .publish(let session, let token, let value):
            guard session == members.first?.session, hasToken(token) else { return false }
            self.value = value
        case .evict(let participant, let session, let token):
            guard let position = position(of: participant, session),
                token.map({ hasToken($0) }) ?? true
            else { return false }
            remove(at: position)
        }
        return true
    }

    /// Whether the latch can deny the command for this reason. Of several reasons it may give any.
    mutating func denies(_ move: Move, _ denial: Denial) -> Bool {
        switch (move, denial) {
        case (.join, _), (.leave, _), (.publish, .noSuchParticipant): return false
        case (.handOver(let session, let token, _), .tokenMoved):
            return isElsewhere(session) || lacksToken(token)
        case (.publish(let session, let token, _), .tokenMoved):
            return isElsewhere(session) || lacksToken(token)
        case (.evict(_, _, let token), .tokenMoved):
            guard let token else { return false }
            return members.isEmpty || lacksToken(token)
        case (.handOver(_, _, let target), .noSuchParticipant): return waiting(target) == nil
        case (.evict(let participant, let session, _), .noSuchParticipant):
            return position(of: participant, session) == nil
        }
    }

    /// A session is over: all its participants go at once.
    mutating func end(_ session: Int) {
        let isHolder = members.first?.session == session
        members.removeAll { $0.session == session }
        ended.insert(session)
        if isHolder { grant() }
    }

    private mutating func remove(at position: Int) {
        members.remove(at: position)
        if position == 0 { grant() }
    }

    /// The first member holds the latch from now on, if there is one; nobody has seen the token.
    private mutating func grant() {
        value = 0
        guard !members.isEmpty else { return }
        term &+= 1
        isTokenCurrent = false
        deniedTokens = []
    }

    private func waiting(_ participant: Int) -> Int? {
        members.indices.dropFirst().first { members[$0].participant == participant }
    }

    private func position(of participant: Int, _ session: Int?) -> Int? {
        members.firstIndex {
            $0.participant == participant && (session == nil || session == $0.session)
        }
    }

    /// Whether the holder is not of this session; without a session: whether there is none.
    private func isElsewhere(_ session: Int?) -> Bool {
        guard let holder = members.first else { return true }
        return session != nil && session != holder.session
    }

    private mutating func hasToken(_ guarded: UInt64) -> Bool {
        if isTokenCurrent { return guarded == token }
        guard guarded > token, !deniedTokens.contains(guarded) else { return false }
        token = guarded
        isTokenCurrent = true
        deniedTokens = []
        return true
    }

    private mutating func lacksToken(_ guarded: UInt64) -> Bool {
        if isTokenCurrent { return guarded != token }
        if guarded > token, !deniedTokens.contains(guarded) {
            deniedTokens.append(guarded)
            deniedTokens.sort()
        }
        return true
    }
}

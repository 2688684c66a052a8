import SeededRandom

@testable import LatchClient

/// A cluster that keeps the contract, clients with a ``Belief`` each, and a network that loses,
/// delays, repeats and reorders, in virtual time. All randomness is of one seed.
struct BeliefModel: Sendable {
    /// A deliberate mistake of the clients, to show that the check finds it.
    enum Mutant: CaseIterable {
        /// A deadline counts from the arrival of the answer.
        case countsFromArrival
        /// A hand-over is sent before the client stops to believe.
        case handsOverFirst
        /// An answer that comes after the deadline brings back what was over.
        case takesBackALoss
    }

    /// The true time, in microseconds.
    typealias Time = Int64

    enum Payload: Sendable {
        case beat(client: Int, life: Int, session: UInt64, sentAt: Time)
        case answer(client: Int, life: Int, Lease.Answer, Belief.Holding?, sentAt: Time)
        case news(client: Int, life: Int, Belief.News, index: UInt64)
        case handOver(session: UInt64, token: UInt64)
        case leave(session: UInt64)
        case act(client: Int)
        case expire
    }

    struct Client: Sendable {
        var belief: Belief
        var session: UInt64
        /// Counts sessions; what was sent to an earlier one is not taken.
        var life = 0
        /// The rate of its clock in millionths off the true one.
        let drift: Int64
        var pausedUntil: Time = 0
    }

    static let ttl: Time = 200_000
    private static let epoch = ContinuousClock.now

    private var random: SplitMix
    private let mutant: Mutant?
    private var now: Time = 0
    private var inbox: [(at: Time, order: Int, payload: Payload)] = []
    private var order = 0
    private(set) var clients: [Client] = []
    // The cluster.
    private var queue: [UInt64] = []
    private var expiry: [UInt64: Time] = [:]
    private var index: UInt64 = 0
    private var token: UInt64 = 0
    private var outageUntil: Time = 0
    // What was seen.
    private(set) var begun: [UInt64: Int] = [:]
    private var over: Set<UInt64> = []
    private(set) var violation: String?

    init(seed: UInt64, mutant: Mutant? = nil) {
        random = SplitMix(seed: seed)
        self.mutant = mutant
        for number in 0..<3 {
            // Relative to the servers', so within what the margin of a lease covers.
            let drift = Int64(random.next(below: 1_800)) - 900
            let lease = Lease(validFor: .zero, sentAt: Self.epoch)
            clients.append(Client(belief: Belief(lease: lease), session: 0, drift: drift))
            open(number)
            send(.act(client: number), after: 1_000)
        }
        send(.expire, after: 1_000)
    }

    /// Runs for so many steps, or to the first violation.
    mutating func run(steps: Int) {
        for _ in 0..<steps where violation == nil {
            guard let (at, _, payload) = inbox.popLast() else { return }
            now = at
            check()
            take(payload)
            check()
        }
    }

    private func key(_ message: (at: Time, order: Int, payload: Payload)) -> (Time, Int) {
        (message.at, message.order)
    }

    // MARK: The check

    /// At most one client believes, by its own clock, that it holds; and what was over for a client
    /// stays so.
    private mutating func check() {
        let holders = clients.indices.filter { number in
            let belief = clients[number].belief
            return belief.held.map { belief.holds($0, at: local(number)) } ?? false
        }
        for number in clients.indices {
            guard let held = clients[number].belief.held else { continue }
            if !holders.contains(number) {
                over.insert(held)
            } else if over.contains(held) {
                violation = "client \(number) holds \(held) again at \(now) µs"
            }
        }
        if holders.count > 1 { violation = "clients \(holders) both hold at \(now) µs" }
    }

    private mutating func note(_ changes: [Belief.Change]) {
        for case .began(let token, _) in changes {
            begun[token, default: 0] += 1
            if begun[token] != 1 { violation = "token \(token) began twice" }
        }
    }

    // MARK: Time and network

    private func local(_ client: Int, at time: Time? = nil) -> ContinuousClock.Instant {
        let time = time ?? now
        return Self.epoch + .microseconds(time + time * clients[client].drift / 1_000_000)
    }

    private mutating func chance(_ percent: UInt64) -> Bool { random.next(below: 100) < percent }

    private mutating func send(_ payload: Payload, after delay: Time) {
        order += 1
        let message = (at: now + delay, order: order, payload: payload)
        // The next one is the last of the list.
        let later = inbox.lastIndex { key($0) > key(message) }
        inbox.insert(message, at: later.map { $0 + 1 } ?? 0)
    }

    /// Lost, late, and twice, as it comes.
    private mutating func transmit(_ payload: Payload) {
        if chance(10) { return }
        for _ in 0..<(chance(10) ? 2 : 1) {
            let longest: UInt64 = chance(15) ? 300_000 : 3_000
            send(payload, after: Time(random.next(below: longest)))
        }
    }

    // MARK: The cluster

    private mutating func take(_ payload: Payload) {
        switch payload {
        case .beat(let client, let life, let session, let sentAt):
            let answer = renew(session)
            var shown: Belief.Holding?
            if case .alive = answer { shown = holding(session) }
            transmit(.answer(client: client, life: life, answer, shown, sentAt: sentAt))
        case .answer(let client, let life, let answer, let holding, let sentAt):
            guard isAwake(client, payload) else { return }
            guard clients[client].life == life else { return }
            let sent = mutant == .countsFromArrival ? now : sentAt
            let taken = mutant == .takesBackALoss ? sentAt : now
            note(
                clients[client].belief.take(
                    answer, holding, sentAt: local(client, at: sent),
                    at: local(client, at: taken)))
        case .news(let client, let life, let news, let index):
            guard isAwake(client, payload), clients[client].life == life else { return }
            note(clients[client].belief.take(news, index: index, at: local(client)))
        case .handOver(let session, let token): handOver(session, token)
        case .leave(let session): end(session)
        case .act(let client): act(client)
        case .expire: expire()
        }
    }

    /// What reaches a client that is paused waits for its waking.
    private mutating func isAwake(_ client: Int, _ payload: Payload) -> Bool {
        let pause = clients[client].pausedUntil - now
        guard pause > 0 else { return true }
        send(payload, after: pause + 1)
        return false
    }

    private mutating func renew(_ session: UInt64) -> Lease.Answer {
        guard expiry[session] != nil else { return .lost }
        guard now >= outageUntil else { return .jeopardy }
        expiry[session] = now + Self.ttl
        return .alive(validFor: .microseconds(Self.ttl))
    }

    /// What a node shows beside a renewal.
    private func holding(_ session: UInt64) -> Belief.Holding {
        let isHolder = queue.first == session
        return Belief.Holding(
            token: isHolder ? token : 0, term: isHolder ? token : 0, lossReason: .handedOver,
            index: index)
    }

    private mutating func expire() {
        send(.expire, after: 500)
        guard now >= outageUntil else { return }
        if random.next(below: 2_000) == 0 {
            // No quorum: log time stands still, so nothing expires before it goes on.
            let outage = Time(random.next(below: 400_000))
            outageUntil = now + outage
            for session in expiry.keys { expiry[session, default: 0] += outage }
        }
        for session in queue where now >= expiry[session, default: 0] { end(session) }
    }

    private mutating func end(_ session: UInt64) {
        guard expiry.removeValue(forKey: session) != nil else { return }
        let wasHolder = queue.first == session
        queue.removeAll { $0 == session }
        tellAll(isNewTerm: wasHolder)
    }

    private mutating func handOver(_ session: UInt64, _ token: UInt64) {
        guard queue.first == session, token == self.token else { return }
        // Refused: who gave up the token gives up the session too.
        guard queue.count > 1 else { return end(session) }
        queue.removeFirst()
        queue.append(session)
        tellAll(isNewTerm: true)
    }

    private mutating func tellAll(isNewTerm: Bool) {
        index += 1
        if isNewTerm { token = index }
        for number in clients.indices { tell(number) }
    }

    private mutating func tell(_ number: Int) {
        let client = clients[number]
        guard let place = queue.firstIndex(of: client.session) else { return }
        let news: Belief.News =
            place == 0 ? .holding(token: token, term: token) : .queued(position: place)
        transmit(.news(client: number, life: client.life, news, index: index))
    }

    private mutating func open(_ number: Int) {
        index += 1
        clients[number].session = index
        clients[number].life += 1
        expiry[index] = now + Self.ttl
        queue.append(index)
        if queue.count == 1 { token = index }
        let lease = Lease(validFor: .microseconds(Self.ttl), sentAt: local(number))
        clients[number].belief = Belief(lease: lease)
        tell(number)
    }

    // MARK: A client's own doing

    private mutating func act(_ number: Int) {
        guard isAwake(number, .act(client: number)) else { return }
        send(.act(client: number), after: Time(10_000 + random.next(below: 60_000)))
        note(clients[number].belief.advance(to: local(number)))
        let client = clients[number]
        if client.belief.end != nil {
            transmit(.leave(session: client.session))
            return open(number)
        }
        transmit(
            .beat(client: number, life: client.life, session: client.session, sentAt: now))
        // The stream is opened again: the place is told once more.
        if chance(40) { tell(number) }
        if chance(3) { clients[number].pausedUntil = now + Time(random.next(below: 500_000)) }
        if let held = client.belief.held, chance(5) {
            if mutant != .handsOverFirst {
                note(clients[number].belief.yield(at: local(number)))
            }
            // It is repeated until it is answered.
            let delay = Time(random.next(below: 50_000))
            send(.handOver(session: client.session, token: held), after: delay)
        } else if client.belief.held != nil, chance(3) {
            note(clients[number].belief.resign(.resigned, at: local(number)))
            transmit(.leave(session: client.session))
        }
    }
}

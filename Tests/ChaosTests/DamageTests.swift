import Chaos
import HistoryChecker
import Testing

/// The demands on a verdict: it is not said of everything.
@Suite("Damage that a run's own checker must accuse")
struct DamageTests {
    private static let good = """
        1 c1 n1 1ms..2ms open "a" timeout=4s => opened session=5 @5
        2 c1 n1 3ms..4ms join "a" session=5 request=1 participant="p" => state term=1 \
        holder="p" participants="p" @6
        3 c1 n2 5ms..6ms read "a" session=5 => state term=1 holder="p" participants="p" @6
        4 c2 n2 5ms..7ms open "a" timeout=4s => opened session=7 @7
        5 c2 n2 8ms..9ms join "a" session=7 request=1 participant="q" => state term=1 \
        holder="p" participants="p","q" @8
        6 c1 n3 10ms..11ms close "a" session=5 => closed
        7 c2 n3 12ms..13ms read "a" session=7 => state term=2 holder="q" participants="q" @9
        8 c2 n3 14ms..15ms join "a" session=7 request=2 participant="r" => state term=2 \
        holder="q" participants="q","r" @10
        9 c2 n3 16ms..17ms publish "a" session=7 request=3 token=9 value="here" => done @11
        10 c2 n3 18ms..19ms leave "a" session=7 request=4 participant="r" => done
        11 c2 n3 18ms..19ms read "a" => state term=2 token=9 holder="q" participants="q" \
        value="here" @12
        12 c2 n3 20ms..21ms read "a" session=7 => state term=2 holder="q" participants="q" @12
        """

    private func history() throws -> [ClientOperation] { try HistoryText.parse(Self.good) }

    @Test("the history itself is good")
    func undamaged() throws {
        guard case .linearizable = HistoryChecker.check(try history()) else {
            Issue.record("\(HistoryChecker.check(try history()))")
            return
        }
    }

    @Test("each damage finds its place and is accused", arguments: Damage.allCases)
    func damaged(damage: Damage) throws {
        let damaged = try #require(damage.done(to: try history()))
        #expect(HistoryChecker.check(damaged).isViolation)
    }

    @Test("a history without a place for a damage says so, and nothing is missed")
    func nothingToDamage() {
        let check = SelfCheck(of: [], budget: .standard)
        #expect(check.impossible == Damage.allCases)
        #expect(check.accused.isEmpty && check.missed.isEmpty)
        #expect("\(check)".contains("no place for: a stranger holds"))
    }
}

import Testing

@testable import latchd

@Suite("Suggestions for misspelled words")
struct SuggestionTests {
    @Test(
        "the nearest word is suggested when it is near",
        arguments: [
            ("hartbeat", "heartbeat"), ("Heartbeat", "heartbeat"), ("heart_beat", "heartbeat"),
            ("election-timeout", "election_timeout"), ("electoin_timeout", "election_timeout"),
        ])
    func near(word: String, expected: String) {
        #expect(suggestion(for: word, among: ["heartbeat", "election_timeout"]) == expected)
    }

    @Test(
        "nothing is suggested for what is far away",
        arguments: [
            "", "x", "beat", "timeouts_of_all_kinds", String(repeating: "heartbeat", count: 1_000),
        ])
    func far(word: String) {
        #expect(suggestion(for: word, among: ["heartbeat", "election_timeout"]) == nil)
    }

    @Test(
        "the distance counts insertions, deletions, substitutions and swaps",
        arguments: [
            ("", "", 0), ("a", "", 1), ("", "abc", 3), ("abc", "acb", 1), ("kitten", "sitting", 3),
        ])
    func distances(source: String, target: String, expected: Int) {
        #expect(editDistance(Array(source), Array(target)) == expected)
        #expect(editDistance(Array(target), Array(source)) == expected)
    }
}

/// Splits a command line into words as a shell does, without anything else that a shell does: words
/// are separated by spaces; '…' and "…" keep spaces, and \ takes the next character as it is
/// (not within '…').
///
/// nil: a quote is not closed, or \ stands at the end.
func commandWords(_ text: String) -> [String]? {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var isEscaped = false
    for character in text {
        if isEscaped {
            word = (word ?? "") + String(character)
            isEscaped = false
        } else if character == "\\", quote != "'" {
            isEscaped = true
        } else if character == quote {
            quote = nil
        } else if quote == nil, character == "'" || character == "\"" {
            quote = character
            word = word ?? ""
        } else if quote == nil, character.isWhitespace {
            if let ended = word { words.append(ended) }
            word = nil
        } else {
            word = (word ?? "") + String(character)
        }
    }
    guard quote == nil, !isEscaped else { return nil }
    if let ended = word { words.append(ended) }
    return words
}

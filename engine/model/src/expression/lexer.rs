//! Cuts the text of an expression into tokens, never failing: what no rule allows becomes a token of its own, so
//! that the parser reports it where it stands in the way.
//!
//! Which identifiers are keywords depends on the kind of expression and is the parsers' business.

/// What a token is. Its text is a slice of the expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A bare name or a keyword: a letter, then letters, digits and `_`. A leading `_` is refused by DynamoDB.
    Identifier,
    /// `#name`
    Name,
    /// `:value`
    Value,
    /// Digits; only an index between brackets may be a number.
    Number,
    Comma,
    Dot,
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    /// A character no rule allows.
    Unknown,
    /// Behind the last token.
    End,
}

/// A token and where its text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// First byte in the expression.
    pub(crate) start: usize,
    /// Behind the last byte.
    pub(crate) end: usize,
}

/// All tokens of `text`, the last of them [`TokenKind::End`].
pub(crate) fn tokenize(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let (kind, length) = next_token(&text[start..], first);
        let end = start + length;
        if let Some(kind) = kind {
            tokens.push(Token { kind, start, end });
        }
        start = end;
    }
    tokens.push(Token { kind: TokenKind::End, start, end: start });
    tokens
}

/// Kind and byte length of what `rest` begins with; no kind for white space.
fn next_token(rest: &str, first: char) -> (Option<TokenKind>, usize) {
    let bytes = rest.as_bytes();
    match first {
        ' ' | '\t' | '\r' | '\n' => (None, 1),
        'a'..='z' | 'A'..='Z' => (Some(TokenKind::Identifier), word_length(bytes)),
        '0'..='9' => (Some(TokenKind::Number), run_length(bytes, |byte| byte.is_ascii_digit())),
        '#' | ':' => placeholder(first, 1 + word_length(&bytes[1..])),
        _ => {
            let (kind, length) = symbol(bytes);
            (Some(kind), if kind == TokenKind::Unknown { first.len_utf8() } else { length })
        }
    }
}

fn placeholder(sigil: char, length: usize) -> (Option<TokenKind>, usize) {
    let kind = match sigil {
        _ if length == 1 => TokenKind::Unknown,
        '#' => TokenKind::Name,
        _ => TokenKind::Value,
    };
    (Some(kind), length)
}

fn symbol(bytes: &[u8]) -> (TokenKind, usize) {
    match bytes {
        [b'<', b'>', ..] => (TokenKind::NotEqual, 2),
        [b'<', b'=', ..] => (TokenKind::LessOrEqual, 2),
        [b'>', b'=', ..] => (TokenKind::GreaterOrEqual, 2),
        [b'<', ..] => (TokenKind::Less, 1),
        [b'>', ..] => (TokenKind::Greater, 1),
        [b'=', ..] => (TokenKind::Equal, 1),
        [b',', ..] => (TokenKind::Comma, 1),
        [b'.', ..] => (TokenKind::Dot, 1),
        [b'(', ..] => (TokenKind::OpenParenthesis, 1),
        [b')', ..] => (TokenKind::CloseParenthesis, 1),
        [b'[', ..] => (TokenKind::OpenBracket, 1),
        [b']', ..] => (TokenKind::CloseBracket, 1),
        [b'+', ..] => (TokenKind::Plus, 1),
        [b'-', ..] => (TokenKind::Minus, 1),
        _ => (TokenKind::Unknown, 1),
    }
}

/// Whether `text` may stand behind the sigil of a placeholder.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && word_length(text.as_bytes()) == text.len()
}

fn word_length(bytes: &[u8]) -> usize {
    run_length(bytes, |byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn run_length(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokenize(text).iter().map(|token| &text[token.start..token.end]).collect()
    }

    #[test]
    fn tokens_are_cut_greedily() {
        assert_eq!(texts("a.#b[12]<>:v_1"), ["a", ".", "#b", "[", "12", "]", "<>", ":v_1", ""]);
        assert_eq!(
            texts("a<= b>=\tc<d\r\n>e=f"),
            ["a", "<=", "b", ">=", "c", "<", "d", ">", "e", "=", "f", ""]
        );
        assert_eq!(texts("x(a,b)+c-d"), ["x", "(", "a", ",", "b", ")", "+", "c", "-", "d", ""]);
    }

    #[test]
    fn what_no_rule_allows_is_one_character() {
        assert_eq!(texts("_a"), ["_", "a", ""]);
        assert_eq!(texts("#$ü!"), ["#", "$", "ü", "!", ""]);
        assert!(tokenize("#$ü!").iter().take(4).all(|token| token.kind == TokenKind::Unknown));
    }

    proptest! {
        #[test]
        fn tokens_cover_everything_but_white_space(text in "\\PC{0,60}|[a-c#:.()\\[\\] <>=,0-9_\\t\\n-]{0,60}") {
            let tokens = tokenize(&text);
            let mut end = 0;
            for token in &tokens {
                prop_assert!(text[end..token.start].bytes().all(|byte| b" \t\r\n".contains(&byte)));
                end = token.end;
            }
            prop_assert_eq!(end, text.len());
            prop_assert_eq!(tokens.last().map(|token| token.kind), Some(TokenKind::End));
        }
    }
}

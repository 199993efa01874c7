//! Cuts a statement into tokens, by the rules of the PartiQL reference implementation's lexer.
//!
//! What no rule allows ends the statement at once: DynamoDB then tells that it is not well formed, and nothing more.

use std::borrow::Cow;
use std::fmt;

use super::error::StatementError;
use super::keywords::keyword;

/// Where a token is, as error texts print it: `line:column:length`, in characters and from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Line of the first character.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Characters, quotes included.
    pub length: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.line, self.column, self.length)
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A bare name that is no keyword.
    Identifier,
    /// `"name"`
    QuotedIdentifier,
    Keyword,
    /// A symbol, or a word such as `AND` that stands between or before terms.
    Operator,
    /// `AS`, `AT`, `BY` and `FOR`, which are terms of nothing.
    Connective,
    /// `'text'`
    Text,
    /// Unsigned.
    Number,
    Boolean,
    Null,
    Missing,
    /// `?`
    Parameter,
    LeftParenthesis,
    RightParenthesis,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    /// `<<`
    LeftAngles,
    /// `>>`
    RightAngles,
    Star,
    Dot,
    Comma,
    Colon,
    Semicolon,
    /// Behind the last token.
    End,
}

/// A token.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    /// The name, text or number that it stands for.
    pub(super) text: Cow<'a, str>,
    /// Keywords and operators in lower case; pairs such as `INSERT INTO` are one. Empty for the rest.
    pub(super) word: &'static str,
    pub(super) place: Place,
}

/// All tokens of `text`, the last of them [`TokenKind::End`].
pub(super) fn tokenize(text: &str) -> Result<Vec<Token<'_>>, StatementError> {
    let mut lexer = Lexer { rest: text, line: 1, column: 1, tokens: Vec::new() };
    while lexer.skip_blanks()? {
        let token = lexer.next_token()?;
        lexer.push(token);
    }
    let place = lexer.place(0);
    lexer.tokens.push(Token { kind: TokenKind::End, text: Cow::Borrowed(""), word: "", place });
    Ok(lexer.tokens)
}

/// Words that mean something else together.
const PAIRS: [(&str, &str, TokenKind, &str); 11] = [
    ("insert", "into", TokenKind::Keyword, "insert_into"),
    ("is", "not", TokenKind::Operator, "is_not"),
    ("not", "in", TokenKind::Operator, "not_in"),
    ("not", "between", TokenKind::Operator, "not_between"),
    ("not", "like", TokenKind::Operator, "not_like"),
    ("modified", "old", TokenKind::Keyword, "modified_old"),
    ("modified", "new", TokenKind::Keyword, "modified_new"),
    ("all", "old", TokenKind::Keyword, "all_old"),
    ("all", "new", TokenKind::Keyword, "all_new"),
    ("character", "varying", TokenKind::Keyword, "character_varying"),
    ("double", "precision", TokenKind::Keyword, "double_precision"),
];

const OPERATOR_WORDS: [&str; 9] = ["and", "or", "not", "is", "in", "between", "like", "union", "intersect"];

struct Lexer<'a> {
    rest: &'a str,
    line: u32,
    column: u32,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    /// Skips white space and comments; whether a token follows.
    fn skip_blanks(&mut self) -> Result<bool, StatementError> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start_matches(is_blank).len();
            self.advance(blank);
            if self.rest.starts_with("--") {
                let length = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
                self.advance(length);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                let length = comment.find("*/").ok_or(StatementError::Unreadable)?;
                self.advance(length + 4);
            } else {
                return Ok(!self.rest.is_empty());
            }
        }
    }

    fn next_token(&mut self) -> Result<Token<'a>, StatementError> {
        let first = self.rest.chars().next().ok_or(StatementError::Unreadable)?;
        match first {
            'a'..='z' | 'A'..='Z' | '_' | '$' => Ok(self.word()),
            '0'..='9' => self.number(),
            '.' if self.rest[1..].starts_with(|next: char| next.is_ascii_digit()) => self.number(),
            '\'' => self.quoted('\'', TokenKind::Text),
            '"' => self.quoted('"', TokenKind::QuotedIdentifier),
            _ => self.symbol(),
        }
    }

    fn word(&mut self) -> Token<'a> {
        let belongs = |next: char| next.is_ascii_alphanumeric() || next == '_' || next == '$';
        let length = self.rest.find(|next| !belongs(next)).unwrap_or(self.rest.len());
        let mut token = self.token(TokenKind::Identifier, length);
        if let Some(word) = keyword(&token.text) {
            token.word = word;
            token.kind = match word {
                "as" | "at" | "by" | "for" => TokenKind::Connective,
                "null" => TokenKind::Null,
                "missing" => TokenKind::Missing,
                "true" | "false" => TokenKind::Boolean,
                word if OPERATOR_WORDS.contains(&word) => TokenKind::Operator,
                _ => TokenKind::Keyword,
            };
        }
        token
    }

    /// Digits with a point and an exponent. What follows need not be apart from it: `1foo` is two tokens.
    fn number(&mut self) -> Result<Token<'a>, StatementError> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(self.rest);
        let mut fraction = 0;
        if self.rest[length..].starts_with('.') {
            fraction = digits(&self.rest[length + 1..]);
            length += 1 + fraction;
        }
        if self.rest[length..].starts_with(['e', 'E']) {
            let exponent = &self.rest[length + 1..];
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let exponent = &exponent[..sign + digits(&exponent[sign..])];
            check_exponent(exponent, fraction)?;
            length += 1 + exponent.len();
        }
        Ok(self.token(TokenKind::Number, length))
    }

    /// What stands between quotes; a doubled quote stands for itself.
    fn quoted(&mut self, quote: char, kind: TokenKind) -> Result<Token<'a>, StatementError> {
        let mut end = 1;
        loop {
            end += self.rest[end..].find(quote).ok_or(StatementError::Unreadable)? + 1;
            if !self.rest[end..].starts_with(quote) {
                break;
            }
            end += 1;
        }
        let mut token = self.token(kind, end);
        let Cow::Borrowed(whole) = token.text else { return Ok(token) };
        let content = &whole[1..whole.len() - 1];
        let doubled: String = [quote, quote].iter().collect();
        token.text = match content.contains(&doubled) {
            true => Cow::Owned(content.replace(&doubled, quote.encode_utf8(&mut [0; 4]))),
            false => Cow::Borrowed(content),
        };
        Ok(token)
    }

    fn symbol(&mut self) -> Result<Token<'a>, StatementError> {
        let known = SYMBOLS.iter().find(|(symbol, ..)| self.rest.starts_with(symbol));
        let &(symbol, kind, word) = known.ok_or(StatementError::Unreadable)?;
        let mut token = self.token(kind, symbol.len());
        token.word = word;
        Ok(token)
    }

    /// Takes `length` bytes as a token.
    fn token(&mut self, kind: TokenKind, length: usize) -> Token<'a> {
        let text = &self.rest[..length];
        let place = self.place(text.chars().count());
        self.advance(length);
        Token { kind, text: Cow::Borrowed(text), word: "", place }
    }

    /// Adds a token, or makes a pair of it and the one before.
    fn push(&mut self, token: Token<'a>) {
        if let Some(last) = self.tokens.last_mut()
            && let Some(&(.., kind, pair)) =
                PAIRS.iter().find(|(first, second, ..)| *first == last.word && *second == token.word)
        {
            (last.kind, last.word) = (kind, pair);
        } else {
            self.tokens.push(token);
        }
    }

    fn place(&self, characters: usize) -> Place {
        // A statement has at most 8192 characters.
        Place { line: self.line, column: self.column, length: u32::try_from(characters).unwrap_or(u32::MAX) }
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        let mut characters = passed.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\r' if characters.peek() == Some(&'\n') => {}
                '\r' | '\n' => (self.line, self.column) = (self.line + 1, 1),
                _ => self.column += 1,
            }
        }
        self.rest = rest;
    }
}

/// The longer ones first.
const SYMBOLS: [(&str, TokenKind, &str); 27] = [
    ("<<", TokenKind::LeftAngles, ""),
    (">>", TokenKind::RightAngles, ""),
    ("<=", TokenKind::Operator, "<="),
    (">=", TokenKind::Operator, ">="),
    ("<>", TokenKind::Operator, "<>"),
    ("!=", TokenKind::Operator, "<>"),
    ("||", TokenKind::Operator, "||"),
    ("<", TokenKind::Operator, "<"),
    (">", TokenKind::Operator, ">"),
    ("=", TokenKind::Operator, "="),
    ("+", TokenKind::Operator, "+"),
    ("-", TokenKind::Operator, "-"),
    ("/", TokenKind::Operator, "/"),
    ("%", TokenKind::Operator, "%"),
    ("@", TokenKind::Operator, "@"),
    ("*", TokenKind::Star, "*"),
    ("(", TokenKind::LeftParenthesis, ""),
    (")", TokenKind::RightParenthesis, ""),
    ("[", TokenKind::LeftBracket, ""),
    ("]", TokenKind::RightBracket, ""),
    ("{", TokenKind::LeftBrace, ""),
    ("}", TokenKind::RightBrace, ""),
    (".", TokenKind::Dot, ""),
    (",", TokenKind::Comma, ""),
    (":", TokenKind::Colon, ""),
    (";", TokenKind::Semicolon, ""),
    ("?", TokenKind::Parameter, ""),
];

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}')
}

/// An exponent must be there, and it and the scale that it leaves must fit into 32 bits.
fn check_exponent(exponent: &str, fraction_digits: usize) -> Result<(), StatementError> {
    let exponent: i32 = exponent.parse().map_err(|_| StatementError::Unreadable)?;
    let scale = i64::try_from(fraction_digits).unwrap_or(i64::MAX).saturating_sub(exponent.into());
    if i32::try_from(scale).is_ok() { Ok(()) } else { Err(StatementError::Unreadable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let tokens = tokenize(text).unwrap();
        tokens
            .iter()
            .map(|token| if token.word.is_empty() { &token.text } else { token.word }.to_string())
            .collect()
    }

    #[test]
    fn tokens_are_cut_greedily_and_pairs_are_one() {
        assert_eq!(
            words("INSERT  INTO t VALUE{'a':<<1>>}").join("|"),
            "insert_into|t|value|{|a|:|<<|1|>>|}|"
        );
        assert_eq!(words("a<=b<>c!=d IS NOT MISSING").join("|"), "a|<=|b|<>|c|<>|d|is_not|missing|");
        assert_eq!(words("1foo 1.5.3 .73e1 1e-2").join("|"), "1|foo|1.5|.3|.73e1|1e-2|");
    }

    #[test]
    fn comments_are_blanks_and_doubled_quotes_stand_for_one() {
        assert_eq!(words("a--x\nb/* '*/c").join("|"), "a|b|c|");
        assert_eq!(words("'it''s' \"a\"\"b\" 'a--b /*c*/'").join("|"), "it's|a\"b|a--b /*c*/|");
    }

    #[test]
    fn places_count_characters_and_lines() {
        let tokens = tokenize("SELECT \"é\"\n  'x''y' ?").unwrap();
        let places: Vec<String> = tokens.iter().map(|token| token.place.to_string()).collect();
        assert_eq!(places, ["1:1:6", "1:8:3", "2:3:6", "2:10:1", "2:11:0"]);
    }

    #[test]
    fn what_no_rule_allows_is_unreadable() {
        for text in [
            "a # b",
            "'open",
            "\"open",
            "/* open",
            "!",
            "|",
            "^",
            "é",
            "1e",
            "1e99999999999",
            "1.5e-2147483647",
            "`x`",
        ] {
            assert_eq!(tokenize(text).unwrap_err(), StatementError::Unreadable, "{text}");
        }
    }
}

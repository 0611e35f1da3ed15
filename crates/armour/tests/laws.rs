//! What holds for all octets and all texts.

use armour::{DecodeError, Fault, capacity, decode, encode, encoded_len};
use proptest::prelude::*;

fn text_of(octets: &[u8]) -> String {
    let mut text = String::new();
    encode(octets, &mut text);
    text
}

fn octets_of(text: &str) -> Result<Vec<u8>, DecodeError> {
    let mut octets = Vec::new();
    decode(text, &mut octets).map(|()| octets)
}

/// A text is armour exactly if it is the text of some octets, and then of those it is read as.
fn refuses_or_reads_its_only_meaning(text: &str) {
    match octets_of(text) {
        Ok(octets) => assert_eq!(text_of(&octets), text),
        Err(DecodeError { position, .. }) => assert!(position <= text.len()),
    }
}

fn assert_clean(text: &str) {
    for character in text.chars() {
        assert!(!character.is_whitespace() && character != '\0', "{character:?}");
        assert!(character <= '\x7F' || ('\u{C0}'..='\u{7FF}').contains(&character));
    }
}

/// Computed by another program, written from the README alone.
#[test]
fn golden_vectors() {
    for (octets, text) in [
        (&b""[..], ""),
        (b"\x00", "\u{100}"),
        (b"\xFF", "\x7F\x01"),
        (b"\x00\x00", "\u{100}\u{C0}"),
        (b"\xFF\xFF", "\x7F\x7F\u{C3}"),
        (b"\x00\x00\x00", "\u{100}\u{100}"),
        (b"\x20\x00\x00\x00\x00\x00\x00", "\u{400}\u{100}\u{100}\u{100}"),
        (b"\x61\x10\x00\x00\x00\x00\x00", "\u{7E1}\u{100}\u{100}\u{100}"),
        (b"abcdef", "aD\u{3A3}VL\u{D9}"),
        (b"abcdefg", "aD\u{3A3}VLY3"),
        (b"any octets: \0\x01\r\n", "a\\e\u{3}rm\u{18}:ehMS\u{3}\u{4}\u{4C0}\u{394}\u{C0}"),
        (b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x7F\x7F\x7F\x7F\x7F\x7F\x7F\x7F"),
        (b"\t\n\x0B\x0C\r \0\"\\#\x7F", "\u{194},`P\x01\u{488}\"8\u{3F9}\u{C7}"),
    ] {
        assert_eq!(text_of(octets), text, "{octets:?}");
        assert_eq!(octets_of(text).as_deref(), Ok(octets));
    }
}

#[test]
fn every_string_of_up_to_two_octets_and_every_end_comes_back() {
    let mut seen = std::collections::BTreeSet::new();
    for value in 0..=u16::MAX {
        let [low, high] = value.to_le_bytes();
        for octets in [&[][..], &[low], &[low, high], &[high, 7, low], &[0, 32, high, low]] {
            let text = text_of(octets);
            assert_eq!(octets_of(&text).as_deref(), Ok(octets));
            seen.insert(text);
        }
    }
    assert_eq!(seen.len(), 1 + 256 + 3 * 65536);
}

#[test]
fn every_text_of_up_to_two_characters_is_refused_or_canonical() {
    let alphabet: Vec<char> =
        ('\0'..='\u{900}').chain(['\u{20AC}', '\u{FFFF}', '\u{1F600}']).collect();
    let mut accepted = 0;
    for first in &alphabet {
        refuses_or_reads_its_only_meaning(&first.to_string());
        for second in &alphabet {
            let text = String::from_iter([first, second]);
            refuses_or_reads_its_only_meaning(&text);
            accepted += u32::from(octets_of(&text).is_ok() && text.len() == 2);
        }
    }
    // Two ASCII octets: one octet whose low and high symbol are both allowed.
    let allowed = |symbol: u8| ![0, 9, 10, 11, 12, 13, 32].contains(&symbol);
    let pairs = (0..=255).filter(|octet| allowed(octet & 0x7F) && allowed(octet >> 7)).count();
    assert_eq!(usize::try_from(accepted), Ok(pairs));
}

#[test]
fn capacity_is_the_inverse_of_encoded_len() {
    for octets in 0..5000 {
        let len = encoded_len(octets);
        assert!(capacity(len) >= octets && encoded_len(capacity(len)) == len);
        assert!(octets == 0 || capacity(len - 1) < octets);
    }
    assert_eq!(capacity(1400), 1225);
}

#[test]
fn refusals_say_where_and_what() {
    for (text, position, fault) in [
        ("abc", 3, Fault::OddLength),
        ("ab c", 2, Fault::Alphabet),
        ("abcdefgh\0j", 8, Fault::Alphabet),
        ("ab\u{85}", 2, Fault::Alphabet),
        ("abcd\u{20AC}h", 4, Fault::Alphabet),
        ("ab\u{C0}de", 2, Fault::Alphabet),
        ("\u{C0}", 0, Fault::Spelling),
        ("abcdefgh\u{C0}", 8, Fault::Spelling),
        ("a\u{100}b", 1, Fault::Alignment),
        ("ab\u{480}", 2, Fault::Spelling),
        ("\x7F\x7F", 0, Fault::Spelling),
        ("ab\u{C4}", 2, Fault::Spelling),
    ] {
        assert_eq!(octets_of(text), Err(DecodeError { position, fault }), "{text:?}");
    }
}

/// Texts near enough to armour to be refused for the right reasons.
fn nearly_armour() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        8 => prop::char::range('\x01', '\x7F'),
        4 => prop::char::range('\u{80}', '\u{7FF}'),
        1 => any::<char>(),
    ];
    prop::collection::vec(character, 0..40).prop_map(String::from_iter)
}

/// Octets with many forbidden symbols: zeroes, blanks, and what is between.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![any::<u8>(), Just(0), Just(0x20), Just(0x10), 8..=13u8];
    prop::collection::vec(octet, 0..1300)
}

proptest! {
    #[test]
    fn octets_come_back(octets in octets()) {
        let text = text_of(&octets);
        prop_assert_eq!(text.len(), encoded_len(octets.len()));
        assert_clean(&text);
        prop_assert_eq!(octets_of(&text), Ok(octets));
    }

    #[test]
    fn a_text_has_at_most_one_meaning(text in nearly_armour()) {
        refuses_or_reads_its_only_meaning(&text);
    }

    #[test]
    fn a_changed_character_is_refused_or_another_meaning(
        octets in octets(), at in any::<prop::sample::Index>(), by in any::<char>(),
    ) {
        let mut characters: Vec<char> = text_of(&octets).chars().collect();
        prop_assume!(!characters.is_empty());
        let at = at.index(characters.len());
        characters[at] = by;
        refuses_or_reads_its_only_meaning(&String::from_iter(characters));
    }

    #[test]
    fn every_truncation_is_refused_or_another_meaning(octets in octets()) {
        let text = text_of(&octets);
        for (end, _) in text.char_indices() {
            refuses_or_reads_its_only_meaning(&text[..end]);
        }
    }

    #[test]
    fn both_directions_append(octets in octets(), before in octets()) {
        let mut text = String::from("before");
        encode(&octets, &mut text);
        prop_assert_eq!(text.strip_prefix("before"), Some(&*text_of(&octets)));

        let mut out = before.clone();
        decode(&text_of(&octets), &mut out).unwrap();
        prop_assert_eq!(&out, &[&*before, &*octets].concat());
        decode(" no armour ", &mut out).unwrap_err();
        prop_assert_eq!(&out, &[&*before, &*octets].concat());
    }
}

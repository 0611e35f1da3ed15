//! Eight symbols at a time: the whole code as a handful of operations on one `u64`.
//!
//! A word is eight octets, the first one lowest. In a *symbol word* every octet holds one
//! seven-bit symbol; in a *text word* the octets are UTF-8. Both are four pairs, one per
//! sixteen-bit lane, and no lane ever looks at its neighbour: there is no carry between pairs, no
//! branch and no table, so a compiler may run several words side by side.

/// The pair of symbols (0, 0) as text, U+0100, four times: what fills a group that is not full.
pub(crate) const ZERO_TEXT: u64 = lanes(0x80C4);

/// Spreads 56 bits over eight symbols, lowest bits first.
pub(crate) const fn spread(packed: u64) -> u64 {
    let halves = (packed & 0x0FFF_FFFF) | ((packed & 0x00FF_FFFF_F000_0000) << 4);
    let pairs = (halves & 0x0000_3FFF_0000_3FFF) | ((halves & 0x0FFF_C000_0FFF_C000) << 2);
    (pairs & octets(0x7F) & lanes(0x00FF)) | ((pairs & lanes(0x3F80)) << 1)
}

/// The inverse of [`spread`].
pub(crate) const fn gather(symbols: u64) -> u64 {
    let pairs = (symbols & lanes(0x007F)) | ((symbols & lanes(0x7F00)) >> 1);
    let halves = (pairs & 0x0000_3FFF_0000_3FFF) | ((pairs & 0x3FFF_0000_3FFF_0000) >> 2);
    (halves & 0x0FFF_FFFF) | ((halves & 0x0FFF_FFFF_0000_0000) >> 4)
}

/// Writes a symbol word as text.
pub(crate) const fn to_text(symbols: u64) -> u64 {
    let forbidden = forbidden(symbols);
    let first = forbidden & lanes(1);
    let second = (forbidden >> 8) & lanes(1) & !first;
    let from_first = fill(first);
    let from_second = fill(second);

    // Kinds fit three bits of their octet. A forbidden second symbol has blocks 7 to 13.
    let kinds = kinds(symbols);
    let block = (kinds & lanes(7) & from_first)
        | (((kinds >> 8) & lanes(7)).wrapping_add(lanes(7)) & from_second);
    let other = ((symbols >> 8) & from_first) | (symbols & from_second);

    let lead = lanes(0x00C4).wrapping_add(block << 1).wrapping_add((other >> 6) & lanes(1));
    let trail = lanes(0x0080) | (other & lanes(0x3F));
    let escaped = from_first | from_second;
    (symbols & !escaped) | ((lead | (trail << 8)) & escaped)
}

/// Reads a text word as symbols: right for every word that [`to_text`] can yield, and some symbol
/// word for all others. Whoever must know which compares `to_text` of the answer with `text`.
pub(crate) const fn from_text(text: u64) -> u64 {
    let escaped = fill((text >> 7) & lanes(1));

    // The five bits of the lead octet, less four: U+0100 is lead octet 0xC4.
    let code = (text & lanes(0x1F)).wrapping_add(lanes(0x1C)) & lanes(0x1F);
    let block = code >> 1;
    let other = ((code & lanes(1)) << 6) | ((text >> 8) & lanes(0x3F));
    let is_second = (block.wrapping_add(lanes(1)) >> 3) & lanes(1);
    let from_second = fill(is_second);
    let symbol = symbol(block.wrapping_sub(lanes(7) & from_second) & lanes(7));

    let first = (other & from_second) | (symbol & !from_second);
    let second = (symbol & from_second) | (other & !from_second);
    ((text & !escaped) | ((first | (second << 8)) & escaped)) & octets(0x7F)
}

/// 1 in each octet whose symbol is NUL, TAB, LF, VT, FF, CR or space.
const fn forbidden(symbols: u64) -> u64 {
    let from_tab = symbols.wrapping_add(octets(0x80 - 0x09));
    let above_cr = symbols.wrapping_add(octets(0x80 - 0x0E));
    let not_nul_nor_space = (symbols & octets(0x5F)).wrapping_add(octets(0x7F));
    (((from_tab & !above_cr) | !not_nul_nor_space) >> 7) & octets(1)
}

/// 0 for NUL, 1 to 5 for TAB to CR, 6 for space, in each octet; anything for other symbols.
const fn kinds(symbols: u64) -> u64 {
    (symbols & octets(7)) | ((symbols >> 4) & octets(2)) | ((symbols >> 3) & octets(4))
}

/// The inverse of [`kinds`] in each lane: 0, 9 to 13, 32; some symbol for 7.
const fn symbol(kind: u64) -> u64 {
    let not_nul = (kind.wrapping_add(lanes(7)) >> 3) & lanes(1);
    let space = (kind >> 1) & (kind >> 2) & lanes(1);
    kind.wrapping_add(not_nul << 3).wrapping_add((space << 4) | (space << 1))
}

/// All bits of a lane whose lowest bit is the only one that may be set.
const fn fill(lowest: u64) -> u64 {
    (lowest << 16).wrapping_sub(lowest)
}

/// `octet` in all eight octets.
const fn octets(octet: u64) -> u64 {
    octet * 0x0101_0101_0101_0101
}

/// `lane` in all four lanes.
const fn lanes(lane: u64) -> u64 {
    lane * 0x0001_0001_0001_0001
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code as a sentence: a pair goes as it stands, or as U+0100 + block * 128 + other.
    fn pair_text(first: u8, second: u8) -> String {
        let kind = |symbol| [0, 9, 10, 11, 12, 13, 32].iter().position(|&blank| blank == symbol);
        let (block, other) = match (kind(first), kind(second)) {
            (Some(kind), _) => (kind, second),
            (None, Some(kind)) => (kind + 7, first),
            (None, None) => return String::from_utf8(vec![first, second]).unwrap(),
        };
        let code = 0x100 + u32::try_from(block).unwrap() * 128 + u32::from(other);
        char::from_u32(code).unwrap().to_string()
    }

    #[test]
    fn every_pair_in_every_lane_is_written_as_the_reference_says_and_read_back() {
        for first in 0..128 {
            for second in 0..128 {
                let expected = pair_text(first, second);
                let neighbours = [0x00, 0x20, b'a', 0x7F, first, 0x0D];
                for lane in 0..4 {
                    for neighbour in neighbours {
                        let mut symbols = [neighbour; 8];
                        symbols[2 * lane] = first;
                        symbols[2 * lane + 1] = second;
                        let symbols = u64::from_le_bytes(symbols);
                        let text = to_text(symbols);
                        assert_eq!(text.to_le_bytes()[2 * lane..][..2], *expected.as_bytes());
                        assert_eq!(from_text(text), symbols);
                    }
                }
            }
        }
    }

    #[test]
    fn every_sixteen_bits_are_read_into_a_lane_of_their_own() {
        for lane in 0..=u16::MAX {
            let alone = from_text((ZERO_TEXT & !0xFFFF) | u64::from(lane));
            assert_eq!(alone & !0xFFFF, 0, "{lane:#06x} spills");
            assert_eq!(alone & !octets(0x7F), 0, "{lane:#06x} is no symbol word");
        }
    }

    #[test]
    fn the_filler_is_the_text_of_zeroes() {
        assert_eq!(to_text(0), ZERO_TEXT);
    }

    #[test]
    fn spreading_gives_each_symbol_its_seven_bits() {
        for bit in 0..56 {
            assert_eq!(spread(1 << bit), 1 << (bit / 7 * 8 + bit % 7));
            assert_eq!(gather(spread(1 << bit)), 1 << bit);
        }
    }
}

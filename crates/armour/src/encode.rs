//! Octets to text.

use crate::{END_LEAD, GROUP, GROUP_TEXT, encoded_len, word};

/// Groups that are written before their text is appended: 512 octets of stack.
const BATCH: usize = 64;

/// Appends the text of `octets` to `out`: exactly [`encoded_len`]`(octets.len())` octets of it.
///
/// ```
/// let mut text = String::from("ALTER APPLICATION proxy DATAGRAM bridge:1 ");
/// armour::encode(b"any octets \0\r\n", &mut text);
/// assert!(!text.contains(['\0', '\r', '\n']));
/// ```
pub fn encode(octets: &[u8], out: &mut String) {
    out.reserve(encoded_len(octets.len()));
    let (groups, rest) = octets.as_chunks::<GROUP>();
    let mut text = [[0; GROUP_TEXT]; BATCH];
    for batch in groups.chunks(BATCH) {
        for (text, group) in text.iter_mut().zip(batch) {
            *text = encode_group(group);
        }
        let (written, _) = text.split_at(batch.len());
        append(written.as_flattened(), out);
    }
    if !rest.is_empty() {
        encode_rest(rest, out);
    }
}

fn encode_group(group: &[u8; GROUP]) -> [u8; GROUP_TEXT] {
    let [a, b, c, d, e, f, g] = *group;
    let packed = u64::from_le_bytes([a, b, c, d, e, f, g, 0]);
    word::to_text(word::spread(packed)).to_le_bytes()
}

/// One to six octets: so many pairs as their bits need. An odd rest pads its last pair with zero
/// bits; an even one has at most six bits left for it, and a character that only ends a text.
fn encode_rest(rest: &[u8], out: &mut String) {
    let mut group = [0; GROUP];
    for (to, from) in group.iter_mut().zip(rest) {
        *to = *from;
    }
    let mut text = encode_group(&group);
    let len = encoded_len(rest.len());
    let (text, _) = text.split_at_mut(len);
    if rest.len().is_multiple_of(2) {
        // Two pairs hold 28 of 32 bits, and so on: the last octet's upper bits are what is left.
        let left = rest.last().map_or(0, |last| last >> (8 - rest.len()));
        if let [.., lead, trail] = text {
            (*lead, *trail) = (END_LEAD, 0x80 | left);
        }
    }
    append(text, out);
}

/// Appends octets that are UTF-8 by construction.
fn append(text: &[u8], out: &mut String) {
    out.push_str(str::from_utf8(text).expect("a lane is two ASCII octets or one character"));
}

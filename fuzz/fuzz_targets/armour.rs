//! Octets come back as they were; text that decodes is the text that its octets are written as.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (mut text, mut octets) = (String::new(), Vec::new());
    armour::encode(data, &mut text);
    assert_eq!(text.len(), armour::encoded_len(data.len()));
    assert!(armour::decode(&text, &mut octets).is_ok() && octets == data);

    let Ok(text) = str::from_utf8(data) else { return };
    let (mut octets, mut again) = (Vec::new(), String::new());
    if armour::decode(text, &mut octets).is_ok() {
        armour::encode(&octets, &mut again);
        assert_eq!(again, text);
    }
});

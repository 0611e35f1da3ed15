//! An emulated Skype: any number of logins, each offering the desktop API, with throttled relays between them.

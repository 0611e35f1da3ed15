//! The carrier over the Skype API: application-to-application streams as paths, datagrams as armoured text.

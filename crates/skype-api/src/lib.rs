//! Skype's desktop API: the line codec, the session as a state machine, application-to-application streams.

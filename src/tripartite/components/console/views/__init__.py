"""What each page shows, worked out of the owners' answers: functions of values, no questions asked here."""

package config

// Parse is Load without the file system.
var Parse = parse

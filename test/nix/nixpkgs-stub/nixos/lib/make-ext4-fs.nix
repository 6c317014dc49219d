# nixpkgs' file of this name takes these, and more that have defaults.
{ runCommand, storePaths, volumeLabel, populateImageCommands }:

runCommand "ext4-fs.img" { inherit storePaths volumeLabel; } populateImageCommands

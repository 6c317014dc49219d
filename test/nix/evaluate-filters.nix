{ outside, vms }:

import ../../nix/lib/filters.nix { lib = import ./mini-lib.nix; inherit outside vms; }

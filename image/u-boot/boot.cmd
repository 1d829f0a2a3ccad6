# Chooses the slot and starts its kernel. Compiled into boot.scr on the boot partition by the image builder.
# The same rules in Rust, with tests for every case: crates/boot-slot/src/state.rs. Offsets: crates/boot-slot/src/layout.rs.

test -n "${devtype}" || setenv devtype mmc
test -n "${devnum}" || setenv devnum 0

# Memory on the smallest board (512 MiB): kernel, initramfs, and room to unpack the kernel, none in the others' way.
setenv state_addr 0x01000000
setenv kernel_addr_r 0x00200000
setenv ramdisk_addr_r 0x06000000
setenv kernel_comp_addr_r 0x0a000000

# The boot state: copy 1 at 8 MiB, else copy 2 at 9 MiB, else that of a fresh card. 16 KiB each, in sectors of 512 bytes.
setenv FORMAT 1
setenv ORDER "A B"
setenv A_LEFT 3
setenv B_LEFT 0
setenv TRIAL 0
setenv state_found
mmc dev ${devnum}
for state_block in 0x4000 0x4800; do
	if test -z "${state_found}"; then
		if mmc read ${state_addr} ${state_block} 0x20; then
			if env import -c ${state_addr} 0x4000 FORMAT ORDER A_LEFT B_LEFT TRIAL; then
				setenv state_found 1
			fi
		fi
	fi
done

if test "${ORDER}" = "B A"; then
	setenv slot_first B
	setenv slot_second A
	setenv tries_first "${B_LEFT}"
	setenv tries_second "${A_LEFT}"
else
	setenv slot_first A
	setenv slot_second B
	setenv tries_first "${A_LEFT}"
	setenv tries_second "${B_LEFT}"
fi

# One try less than before; empty when there is none left.
setenv tries_next
if test "${tries_first}" = 3; then setenv tries_next 2; fi
if test "${tries_first}" = 2; then setenv tries_next 1; fi
if test "${tries_first}" = 1; then setenv tries_next 0; fi

setenv slot_order "${slot_first} ${slot_second}"
if test "${TRIAL}" = 1; then
	setenv slot_order "${slot_second} ${slot_first}"
	if test -n "${tries_next}"; then
		# A try that cannot be written down is not taken. Copy 2 first, as all who write the state.
		setenv ${slot_first}_LEFT ${tries_next}
		if env export -c -s 0x4000 ${state_addr} FORMAT ORDER A_LEFT B_LEFT TRIAL; then
			if mmc write ${state_addr} 0x4800 0x20; then
				if mmc write ${state_addr} 0x4000 0x20; then
					setenv slot_order "${slot_first} ${slot_second}"
					echo "Hearth: slot ${slot_first} is on trial, ${tries_next} tries left after this one"
				fi
			fi
		fi
	fi
else
	if test -z "${tries_next}"; then
		if test "${tries_second}" = 1 || test "${tries_second}" = 2 || test "${tries_second}" = 3; then
			setenv slot_order "${slot_second} ${slot_first}"
		fi
	fi
fi

# A slot whose files cannot be loaded gives way to the other at once.
for slot_now in ${slot_order}; do
	if test "${slot_now}" = B; then setenv slot_partition 3; else setenv slot_partition 2; fi
	echo "Hearth: starting slot ${slot_now}"
	if load ${devtype} ${devnum}:${slot_partition} ${ramdisk_addr_r} os.cpio.zst; then
		setenv ramdisk_size ${filesize}
		if load ${devtype} ${devnum}:${slot_partition} ${kernel_addr_r} Image.gz; then
			setenv kernel_comp_size ${filesize}
			# The firmware's device tree carries cmdline.txt and what the firmware adds to it.
			fdt addr ${fdt_addr}
			fdt get value firmware_arguments /chosen bootargs
			part uuid ${devtype} ${devnum}:${slot_partition} slot_uuid
			setenv bootargs "${firmware_arguments} hearth.slot=${slot_now} hearth.boot=${slot_uuid}"
			booti ${kernel_addr_r} ${ramdisk_addr_r}:${ramdisk_size} ${fdt_addr}
		fi
	fi
	echo "Hearth: slot ${slot_now} does not start"
done
echo "Hearth: no slot starts; trying again"
sleep 10
reset

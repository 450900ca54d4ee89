"""One fit, epoch by epoch, and many side by side: losses, optimizers, schedules, augmentation."""
